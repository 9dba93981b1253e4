"""One step from a state to the next, on the real system, without going back to the start.

A world is put back to the state (the store by the rows that differ, the process that moves by feeding it
what it has seen), the action is applied in lock-step, and what came of it is remembered: two states that
agree in the store, the time, and the process that moves have the same step. The memory is a reduction like
the others, and can be switched off.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from attrs import evolve

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope, Swap
from failure_modes.checker.experiment.target import Hunt
from failure_modes.checker.oracle.footprint import (
    UNSEEN,
    Footprint,
    of_crash,
    reads_of,
    reads_of_model,
    writes_of,
)
from failure_modes.checker.oracle.liveness import MOVES_MAX, ROUNDS_MAX, advance
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.records import Change, Ends, Snapshot
from failure_modes.checker.proof.fingerprint import Fingerprints, Renaming
from failure_modes.checker.proof.remembered_run import RememberedRun
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.process_snapshot import AT_REST, Standing
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action, Crash, PowerLoss, actor_of
from model.events import Outcome
from model.invariants import condensed
from model.state import Durable, State, Worker

T = TypeVar("T")
REMEMBERED_MAX = 300_000


class Walker:
    """Goes from state to state. Made once for a proof; `close` it."""

    def __init__(
        self,
        scope: Scope,
        swap: Swap,
        hunted: Hunt | None,
        *,
        symmetry: bool = True,
        memory: bool = True,
        answers: bool = True,
        footprints: bool = True,
    ) -> None:
        """`footprints`: whether what an action touched is asked for."""
        world = world_of(scope, swap, restorable=True, forgets=answers)
        self.lockstep = Lockstep(scope, swap, hunted=hunted, world=world)
        self.columns = self.lockstep.world.columns()
        self.fingerprints = Fingerprints(scope, self.columns, world.subject.layout, symmetry=symmetry)
        self.names = self.lockstep.names
        self.real_steps = 0
        self._memory = memory and not world.replays  # there a step depends on who holds which lock, too
        self._footprints = footprints
        self._changes: dict[tuple[Any, ...], tuple[Any, Change | Ends]] = {}
        self._interned: dict[Any, Any] = {}
        self._ends_well: set[bytes] = set()
        self.start = self.own(self.lockstep.snapshot())

    def close(self) -> None:
        """Let go of the world."""
        self.lockstep.close()

    def step(self, there: Snapshot, action: Action) -> Change | Ends:
        """What the action changes in this state."""
        if len(self._changes) > REMEMBERED_MAX:
            self._changes.clear()
            self._interned.clear()
        key = self._key(there, action)
        known = self._changes.get(key)
        if known is None:
            known = (there, self._really(there, action))
            if self._memory:
                self._changes[key] = known
        return known[1]

    def after(self, there: Snapshot, action: Action, change: Change) -> Snapshot:
        """The state after the change."""
        if change.whole is not None:
            return change.whole
        events, faults = there.events, there.faults
        if change.events or change.faults:
            events, faults = condensed((*events, *change.events), (*faults, *change.faults))
        standings = there.standings
        name = actor_of(action)
        if isinstance(action, PowerLoss):
            standings = (AT_REST,) * len(standings)
        elif name is not None or change.released:
            standings = tuple(
                [
                    change.standing
                    if moves == name and change.standing is not None
                    else self._same(evolve(standing, waits=False))
                    if standing.waits and change.released
                    else standing
                    for moves, standing in zip(self.names, standings, strict=True)
                ]
            )
        now = there.now + change.passed
        state = there.state
        if change.parted is not None:
            state = None
        if state is not None:
            workers = state.workers
            if isinstance(action, PowerLoss):
                workers = tuple([Worker(name=worker.name) for worker in workers])
            elif change.worker is not None:
                workers = tuple([change.worker if w.name == name else w for w in workers])
            state = State(
                settings=state.settings,
                workers=workers,
                durable=change.durable,
                now=now,
                changed_at=change.changed_at,
            )
        return Snapshot(
            content=change.content,
            durable=change.durable,
            now=now,
            standings=standings,
            state=state,
            accepted=change.accepted,
            events=events,
            faults=faults,
            load=change.load,
            parted=there.parted or change.parted,
        )

    def endings(self, there: Snapshot, base: bytes, renaming: Renaming) -> Iterator[tuple[Ends, Renaming]]:
        """What is wrong where recovery and a fair schedule lead to from here; nothing if nothing is.

        The schedule has an order of workers. A state stands for all its twins, so it is judged in every
        order: with each fault comes the renaming under which the plain order A, B, … meets it.
        """
        for names in self.fingerprints.renamings:
            order = tuple(sorted(names, key=lambda worker: names[worker]))
            ends = self._ending(there, base, renaming, order)
            if ends is not None:
                yield ends, names

    def _ending(
        self, there: Snapshot, base: bytes, renaming: Renaming, order: tuple[str, ...]
    ) -> Ends | None:
        """A state from which a way led to a good end, in one order of workers, has that end itself.

        `base` is the state's fingerprint without what is spent, and `renaming` how it was come by.
        """
        if self.lockstep.world.replays:
            return self._ending_at_once(there, order)
        run = RememberedRun(self, self.lockstep.settings, there, order)
        passed: dict[bytes, None] = {}
        settled, rounds = False, 0
        for _ in range(MOVES_MAX):
            key = base + "".join([renaming[name] for name in order]).encode()
            if key in self._ends_well:
                self._ends_well.update(passed)
                return None
            if key in passed or rounds > ROUNDS_MAX:  # it goes round in a circle, or on for ever
                break
            passed[key] = None
            now = run.now
            if not advance(run):
                settled = True
                break
            if run.ends is not None:
                return run.ends
            rounds += run.now != now
            base, renaming = self.fingerprints.of(run.there)
        self.lockstep.put_back(run.there)
        try:
            self.lockstep.recovering = True
            self.lockstep.judge_ending(settled=settled)
        except Found as found:
            return Ends(finding=found.finding)
        if self.lockstep.aside:
            return Ends(aside=self.lockstep.aside)
        self._ends_well.update(passed)
        return None

    def _ending_at_once(self, there: Snapshot, order: tuple[str, ...]) -> Ends | None:
        """The same, gone through without a stop, where each stop would be paid for by the whole way."""
        self.lockstep.put_back(there)
        try:
            self.lockstep.finish(order)
        except Found as found:
            return Ends(finding=found.finding)
        return Ends(aside=self.lockstep.aside) if self.lockstep.aside else None

    def _key(self, there: Snapshot, action: Action) -> tuple[Any, ...]:
        name = actor_of(action)
        if name is None:
            changed_at = None if there.state is None else there.state.changed_at
            return id(there.content), there.now, action, changed_at, id(there.accepted), there.load
        place = self.names.index(name)
        state = there.state
        model: Any = None
        if state is not None:
            worker = state.workers[place] if place < len(state.workers) else None
            model = worker, state.changed_at
        locked = any(standing.in_transaction for at, standing in enumerate(there.standings) if at != place)
        return (
            id(there.content),
            there.now,
            id(there.standings[place]),
            model,
            id(there.accepted),
            there.load,
            locked,
            action,
        )

    def _really(self, there: Snapshot, action: Action) -> Change | Ends:
        lockstep, name = self.lockstep, actor_of(action)
        self.real_steps += 1
        lockstep.put_back(there)
        releases = lockstep.world.releases
        faults = len(lockstep.faults)
        action = lockstep.meant(action)
        try:
            record = lockstep.apply(action)
        except Found as found:
            return Ends(finding=found.finding)
        if lockstep.aside:
            return Ends(aside=lockstep.aside)
        world, state = lockstep.world, lockstep.state
        standing = worker = None
        if name is not None:
            process = world.processes[name]
            standing = self._same(process.stands())
            process.known_as(standing)
            if state is not None and name in lockstep.scope.names:
                worker = state.workers[self.names.index(name)]
        content, durable = self._once(world.content(), lockstep.durable)
        return Change(
            content=content,
            durable=durable,
            passed=lockstep.now - there.now,
            standing=standing,
            worker=worker,
            changed_at=state.changed_at if state else 0,
            accepted=self._intern(tuple(lockstep.accepted)),
            events=record.events,
            faults=tuple(lockstep.faults[faults:]),
            load=lockstep.load,
            parted=None if there.parted else lockstep.parted,
            released=world.releases != releases,
            committed=record.committed,
            footprint=self._footprint(there, content, standing, action, record.model),
            whole=self.own(lockstep.snapshot()) if world.replays else None,
        )

    def _footprint(
        self,
        there: Snapshot,
        content: Content,
        standing: Standing | None,
        action: Action,
        model: Outcome | None,
    ) -> Footprint:
        name = actor_of(action)
        if name is None or standing is None or not self._footprints:
            return UNSEEN
        held, holds = there.standings[self.names.index(name)].in_transaction, standing.in_transaction
        if isinstance(action, Crash):
            return of_crash(name, held=held)
        process = self.lockstep.world.processes[name]
        return Footprint(
            name,
            reads_of(process.step.statements, tuple(self.columns), called=process.step.called_gateway)
            | reads_of_model(model),
            *writes_of(there.content, content, self.columns),
            moves_lock=held != holds,
            needs_lock=standing.waits or (bool(process.step.statements) and not held),
            reads_clock=process.step.read_clock,
        )

    def _same(self, standing: Standing) -> Standing:
        """The one that stands for all that remember the same."""
        if standing.at_rest:
            return AT_REST
        known: Standing = self._interned.setdefault(standing, standing)
        return known

    def _intern(self, value: T) -> T:
        known: T = self._interned.setdefault(value, value)
        return known

    def own(self, there: Snapshot) -> Snapshot:
        """The same snapshot of parts that are each there once, so that equal parts are the same object."""
        content, durable = self._once(self.lockstep.world.same(there.content), there.durable)
        return evolve(
            there,
            content=content,
            durable=durable,
            standings=tuple([self._same(standing) for standing in there.standings]),
            accepted=self._intern(there.accepted),
        )

    def _once(self, content: Content, durable: Durable) -> tuple[Content, Durable]:
        """The two, each there once: the rows of a store, and what they are to the model."""
        known: tuple[Content, Durable] = self._interned.setdefault(id(content), (content, durable))
        return known
