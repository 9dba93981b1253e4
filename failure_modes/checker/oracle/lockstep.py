"""Lock-step: one action on the system and on the model, then the comparison, then the invariants.

`Lockstep.apply` takes one action:

1. `SystemSide` moves the system, and reads what it did (`system_side.py`).
2. `Reference` takes the same action on the model (`reference.py`). A rejection is a divergence at once.
3. `Ledger` keeps the record (`ledger.py`).
4. `Judge` judges the change by the invariants; `Reference` compares rows, audit and phase (`judge.py`).

This module does not know how actions are chosen.
"""

from typing import Self

from attrs import evolve, frozen

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target, needs_ending
from failure_modes.checker.oracle.judge import Judge
from failure_modes.checker.oracle.ledger import Ledger, LedgerSnapshot
from failure_modes.checker.oracle.liveness import recover
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.reference import Difference, Reference
from failure_modes.checker.oracle.run import play
from failure_modes.checker.oracle.system_side import SystemSide, SystemSnapshot
from failure_modes.checker.simulation.stepping import NotDeterministic, PausePoint
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.abstraction import read_statuses, same_history
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action, Crash, Enqueue, PowerLoss, actor_of
from model.invariants import Ending
from model.load import Load
from model.state import Durable, Settings, State


@frozen(kw_only=True, eq=False)
class Snapshot:
    """All that the future of a run depends on: a frozen value of each of its parts.

    `path` are the actions that led here, in a world that is restored by replaying them.
    """

    system: SystemSnapshot
    state: State | None
    ledger: LedgerSnapshot
    diverged: Finding | None
    path: tuple[Action, ...] = ()


class Lockstep:
    """A run. Made anew for each example; `close` it."""

    def __init__(
        self,
        scope: Scope,
        fault: Fault = guarded,
        *,
        target: Target | None = None,
        world: World | None = None,
        system: SystemSide | None = None,
    ) -> None:
        """`world` is a fresh one of the same scope and fault, if not the usual one.

        `system` is the system's side, if not the usual one; it has a world.
        """
        self.scope = scope
        self.settings: Settings = scope.settings
        self.system = system or SystemSide(world or world_of(scope, fault), power_loss=scope.power_loss)
        self.world = self.system.world
        self.reference = Reference(scope)
        self.ledger = Ledger(scope.settings, rollback=scope.rollback)
        self.judge = Judge(target, scope.settings, self.ledger)
        self._order: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """True if another invariant than the target broke: the run has nothing more to show."""
        return self.judge.off_target is not None

    @property
    def durable(self) -> Durable:
        """What the system's store holds."""
        return self.system.durable

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        return self.system.now

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, in the order of the liveness run."""
        return (*self._order, *[name for name in self.world.processes if name not in self._order])

    def possible(self, action: Action) -> bool:
        """True if the action can happen now."""
        return self.system.possible(action)

    def rests(self, name: str) -> bool:
        """True if the process is at rest: nothing that it saw before matters any more."""
        return self.system.place(name).at_rest

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers, in the order of the liveness run."""
        return tuple([name for name in self.names if name in self.scope.names])

    def hangs(self, name: str) -> bool:
        """True if the process is in a handler that does not return."""
        return self.system.place(name).at is PausePoint.HUNG

    def is_choice_point(self, action: Action) -> bool:
        """True if a schedule has something to choose, now that the action was taken."""
        return self.system.is_choice_point(action)

    def apply(self, action: Action) -> Record:
        """Take one action on both sides, and judge what it did. Raises Violation or Divergence."""
        system, reference, ledger = self.system, self.reference, self.ledger
        differ = self.scope.payloads_differ
        effective = self._effective(action) if differ else system.effective_action(action, ledger.is_poison)
        ledger.note_action(action, effective)
        if isinstance(effective, Crash | PowerLoss):
            ledger.note_crashes(system.processes_killed_by(effective), system.durable)
        done = system.act(effective)
        ledger.note_operation(done)
        outcome = reference.take(done)
        if done.moved.ended:
            reference.end(actor_of(effective))
        rejected = None if outcome is None else outcome.rejected
        record = Record(
            action=effective,
            now=system.now,
            read_at=done.read_at,
            model=outcome,
            answers=system.answers(done, reference.answer(None if rejected else outcome, done)),
            moved=done.moved,
            events=done.events,
            before=done.before,
            after=done.after,
            recovering=ledger.recovering,
            visibility=done.visibility,
        )
        load_before = ledger.load
        ledger.keep(record)
        if rejected is not None:
            self._diverge((f"rejected ({rejected})", "accepted"))
        self._judge(record, load_before)
        return record

    def commits(self, action: Action) -> bool:
        """Take one action. Returns True if it committed. Raises Violation or Divergence."""
        return self.apply(action).committed

    def finish(self, order: tuple[str, ...] = ()) -> None:
        """Run the liveness run, and judge its end. `order`: another order of the workers.

        Raises Violation or Divergence.
        """
        self._compare_counts()
        self.ledger.start_recovery()
        self._order = order
        settled = recover(self)
        if not self.over:
            self.judge_ending(settled=settled)

    def judge_ending(self, *, settled: bool) -> None:
        """Judge what is left at the end of the liveness run. Raises Violation or Divergence.

        `settled`: nothing changes any more.
        """
        ledger = self.ledger
        ledger.start_recovery()
        noted = tuple(ledger.events)
        history = noted if self.world.restorable else self.system.history()
        same = same_history(history, noted, in_order=not self.world.database.overlaps)
        if not same and self.reference.state is not None:
            self._diverge(("the audit is complete", "the audit is without earlier rows, or has changed ones"))
        self._compare_counts()
        self.judge.judge_ending(
            Ending(
                final=self.durable,
                events=history,
                accepted=ledger.accepted_keys,
                faults=tuple(ledger.faults),
                settled=settled,
                external=self.settings.external,
            )
        )

    def snapshot(self) -> Snapshot:
        """Where the run is."""
        return Snapshot(
            system=self.system.snapshot(),
            state=self.reference.state,
            ledger=self.ledger.snapshot(),
            diverged=self.judge.snapshot(),
            path=tuple(self.ledger.actions) if self.world.restores_by_replay else (),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from where a run of this scope once was. The world must be restorable.

        Most worlds are restored by their content and by where their processes were. What lies at a server (a
        statement that waits, the locks of an open transaction) cannot be restored so. Such a world is
        restored by replaying its actions. Raises NotTheSame if they lead elsewhere than before.
        """
        if self.world.restores_by_replay:
            self._replay(snapshot)
            return
        self.system.restore(snapshot.system)
        self.reference.restore(snapshot.state)
        self.ledger.restore(snapshot.ledger)
        self.judge.restore(snapshot.diverged)

    def close(self) -> None:
        """Let go of the world."""
        self.world.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _effective(self, action: Action) -> Action:
        """The action that really happens. A producer that asks again asks for something else."""
        if isinstance(action, Enqueue):
            again = any(job.key == action.key for job in self.durable.jobs)
            return evolve(action, payload=f"{action.key} again") if again else action
        return self.system.effective_action(action, self.ledger.is_poison)

    def _judge(self, record: Record, load_before: Load) -> None:
        judge, reference = self.judge, self.reference
        judge.judge_change(record, load_before)
        if judge.off_target is None:
            self._diverge(reference.difference(record))
        if record.moved.error is not None:
            error = record.moved.error
            self._diverge(
                ("the operation is answered", f"the operation is ended by {type(error).__name__}: {error}")
            )
        name = actor_of(record.action)
        if name is not None and judge.off_target is None and not isinstance(record.action, Crash):
            self._diverge(reference.phase_difference(name, self.system.place(name).at))

    def _compare_counts(self) -> None:
        """Compare what `status` counts, and what it says of each job.

        A restorable world keeps no audit, so there is less to say.
        """
        if not self.world.restorable:
            events, store = tuple(self.ledger.events), self.world.database.observer
            self._diverge(self.reference.counts_difference(self.system.counts(), events, self.now))
            in_order = not self.world.database.overlaps
            statuses = read_statuses(store)
            self._diverge(self.reference.statuses_difference(statuses, events, in_order=in_order))

    def _diverge(self, difference: Difference | None) -> None:
        if difference is not None:
            self.judge.diverge(*difference)
            self.reference.abandon()

    def _replay(self, snapshot: Snapshot) -> None:
        self.system.start_over()
        self.reference.start_over()
        self.ledger.restore(LedgerSnapshot(earlier=() if self.scope.rollback else None))
        self.judge.restore(None)
        self._order = ()
        for action in snapshot.path:
            self.apply(action)
        if not self.system.is_at(snapshot.system):
            raise NotDeterministic(f"the same {len(snapshot.path)} actions led to another place than before")
        self.ledger.forget_records()


def run_actions(
    scope: Scope, fault: Fault, target: Target | None, actions: tuple[Action, ...]
) -> Found | None:
    """Run the actions from the start, and return what breaks. Actions that cannot happen are left out."""
    lockstep = Lockstep(scope, fault, target=target)
    return play(lockstep, actions, ending=needs_ending(target), stops_when_over=True).found
