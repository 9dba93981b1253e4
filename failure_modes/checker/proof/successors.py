"""The states that follow a state, by the real system, without going back to the start.

The world is restored to the state: the store by the rows that differ, the process that moves by feeding it
what it has seen. Then the action is applied in lock-step, and what it changed is remembered: two states that
agree in the store, the time and the process that moves have the same change. This memory is a reduction like
the others, and can be switched off.
"""

from typing import Any, TypeVar

from attrs import evolve

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep, Snapshot
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.system_side import SystemSnapshot
from failure_modes.checker.proof.fingerprint import Fingerprints
from failure_modes.checker.proof.footprint import UNSEEN, Footprint, of_crash
from failure_modes.checker.proof.footprint import of_move as of_move
from failure_modes.checker.proof.remembered_system import RememberedSystem
from failure_modes.checker.proof.seen_step import SeenStep
from failure_modes.checker.proof.state_change import (
    DeadEnd,
    Parts,
    StateChange,
    parts_after,
    snapshot_of,
)
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import AT_REST, ProcessSnapshot, in_transaction
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action, ClockSkew, Crash, Rollback, actor_of
from model.state import Durable

T = TypeVar("T")
REMEMBERED_MAX = 300_000
"""Changes that are kept in memory. When there are more, all are forgotten, and worked out again."""


class Successors:
    """Leads from state to state. Made once for a proof; `close` it."""

    def __init__(
        self,
        scope: Scope,
        fault: Fault,
        target: Target | None,
        *,
        symmetry: bool = True,
        memory: bool = True,
        rows: bool = True,
        rows_checked: int | None = None,
        answers: bool = True,
        footprints: bool = True,
    ) -> None:
        """`memory`, `rows`: do not take a step again where it is remembered. See `Reductions`.

        `footprints`: note what each action touched.
        """
        self._interned: dict[Any, Any] = {}
        world = world_of(scope, fault, restorable=True, records_answers=answers)
        self._system = RememberedSystem(
            world,
            power_loss=scope.power_loss,
            remembers=memory and rows,
            same=self._same,
            checked_first=rows_checked,
        )
        self.lockstep = Lockstep(scope, fault, target=target, system=self._system)
        self.columns = world.content.columns()
        self.fingerprints = Fingerprints(scope, self.columns, world.subject.layout, symmetry=symmetry)
        self.names = self.lockstep.names
        self.remembers = memory and not world.restores_by_replay
        """True if a step is not taken again. In a replayed world it depends on the holder of each lock."""
        self._footprints = footprints
        self._changes: dict[tuple[Any, ...], tuple[Snapshot, StateChange | DeadEnd]] = {}
        self.start = self.own(self.lockstep.snapshot())
        assert self.start.state is not None, "nothing has diverged yet"
        self._fresh = self.start.state.workers

    def close(self) -> None:
        """Let go of the world."""
        self.lockstep.close()

    @property
    def real_steps(self) -> int:
        """The steps that were taken on the real system."""
        return self._system.real_steps

    @property
    def last(self) -> SeenStep | None:
        """The last step, which was taken or remembered."""
        return self._system.last

    def step(self, before: Snapshot, action: Action) -> StateChange | DeadEnd:
        """What the action changes in this state."""
        if isinstance(action, Rollback | ClockSkew):  # it changes what is in no row and no process
            return self._taken(before, action)
        if len(self._changes) > REMEMBERED_MAX:
            self._changes.clear()
            self._interned.clear()
        key = self._key(before, action)
        known = self._changes.get(key)
        if known is None:
            known = (before, self._taken(before, action))
            if self.remembers:
                self._changes[key] = known
        return known[1]

    def after(self, before: Snapshot, action: Action, change: StateChange) -> Snapshot:
        """The state after the change."""
        if change.snapshot is not None:
            return change.snapshot
        return self.snapshot_of(self.parts_after(before, action, change))

    def snapshot_of(self, parts: Parts) -> Snapshot:
        """The state that has these parts."""
        return snapshot_of(parts, self.lockstep.settings)

    def parts_after(self, before: Snapshot, action: Action, change: StateChange) -> Parts:
        """The parts of the state after a change that has no snapshot of its own."""
        return parts_after(before, action, change, self.names, self._same, self._fresh)

    def own(self, snapshot: Snapshot) -> Snapshot:
        """The same snapshot, in which equal parts are the same object: a memory knows them by their id."""
        system = snapshot.system
        content, durable = self._once(self.lockstep.world.content.shared(system.content), system.durable)
        processes = tuple([self._same(process) for process in system.processes])
        ledger, state = snapshot.ledger, snapshot.state
        if state is not None:
            state = evolve(state, workers=tuple([self._intern(worker) for worker in state.workers]))
        return evolve(
            snapshot,
            system=evolve(system, content=content, durable=durable, processes=processes),
            state=state,
            ledger=evolve(ledger, accepted=self._intern(ledger.accepted), load=self._intern(ledger.load)),
        )

    def _key(self, before: Snapshot, action: Action) -> tuple[Any, ...]:
        """All that the change depends on. What is known by its `id` is held by the snapshot in the memory."""
        system, ledger, state = before.system, before.ledger, before.state
        skews = system.skews
        name = actor_of(action)
        if name is None:
            changed_at = None if state is None else state.changed_at
            known = id(system.content), id(ledger.accepted), id(ledger.load)
            return *known, system.now, action, changed_at, skews
        place = self.names.index(name)
        model: Any = None
        if state is not None:
            worker = id(state.workers[place]) if place < len(state.workers) else None
            model = worker, state.changed_at
        locked = in_transaction(system.processes, but=place)
        return (
            id(system.content),
            system.now,
            id(system.processes[place]),
            model,
            id(ledger.accepted),
            id(ledger.load),
            ledger.stale,
            locked,
            skews,
            action,
        )

    def _taken(self, before: Snapshot, action: Action) -> StateChange | DeadEnd:
        """Take the action on the real system."""
        lockstep, name = self.lockstep, actor_of(action)
        lockstep.restore(before)
        if lockstep.world.restores_by_replay:
            self._system.was_replayed(before.system)
        faults = len(lockstep.ledger.faults)
        try:
            record = lockstep.apply(action)
        except Found as found:
            return DeadEnd(finding=found.finding)
        if lockstep.judge.off_target:
            return DeadEnd(off_target=lockstep.judge.off_target)
        ledger, state, seen = lockstep.ledger, lockstep.reference.state, self._system.last
        assert seen is not None, "a step was taken or remembered"
        worker = None
        if state is not None and name in lockstep.scope.names:
            worker = self._intern(state.workers[self.names.index(name)])
        content, durable = self._once(self._system.content, lockstep.durable)
        whole = lockstep.world.restores_by_replay or isinstance(action, Rollback | ClockSkew)
        return StateChange(
            content=content,
            durable=durable,
            elapsed_ms=lockstep.now - before.system.now,
            process=seen.process,
            worker=worker,
            changed_at=state.changed_at if state else 0,
            accepted=self._intern(tuple(ledger.accepted)),
            events=record.events,
            faults=tuple(ledger.faults[faults:]),
            load=self._intern(ledger.load),
            diverged=None if before.diverged else lockstep.judge.diverged,
            released=seen.released,
            committed=record.committed,
            footprint=self._footprint(before.system, content, seen, record),
            snapshot=self.own(lockstep.snapshot()) if whole else None,
        )

    def _footprint(
        self, before: SystemSnapshot, content: Content, seen: SeenStep, record: Record
    ) -> Footprint:
        name = actor_of(record.action)
        if name is None or seen.process is None or not self._footprints:
            return UNSEEN
        held = before.processes[self.names.index(name)].in_transaction
        if isinstance(record.action, Crash):
            return of_crash(name, held=held)
        return of_move(
            name,
            seen,
            held=held,
            contents=(before.content, content),
            columns=self.columns,
            model=record.model,
        )

    def _same(self, process: ProcessSnapshot) -> ProcessSnapshot:
        """The object that stands for all processes that remember the same."""
        if process.at_rest:
            return AT_REST
        known: ProcessSnapshot = self._interned.setdefault(process, process)
        return known

    def _intern(self, value: T) -> T:
        known: T = self._interned.setdefault(value, value)
        return known

    def _once(self, content: Content, durable: Durable) -> tuple[Content, Durable]:
        """The rows of a store and what they are to the model, each there once."""
        known: tuple[Content, Durable] = self._interned.setdefault(id(content), (content, durable))
        return known
