"""The bookkeeping of a run: what happened, which faults were injected, and which situations were met.

The ledger takes notes and judges nothing. What it notes of faults is compared with the audit at the end: a
fault that the audit does not show went undetected.
"""

from collections import Counter

from attrs import evolve, field, frozen

from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.sometimes import (
    OF_HUNG,
    OF_POISON,
    OF_POWER,
    OF_REPLIES,
    OF_REPLY,
    reached,
)
from failure_modes.checker.oracle.system_side import SystemStep
from failure_modes.checker.simulation.process_snapshot import ProcessState
from failure_modes.checker.simulation.stepping import PausePoint
from model.actions import (
    COMMITS_MAX,
    Action,
    ClockBack,
    Crash,
    Enqueue,
    Fail,
    Hang,
    LostReply,
    PowerLoss,
    Release,
    Rollback,
    TimeOut,
    without_loss,
)
from model.events import Event, EventKind
from model.invariants import InjectedFault, condensed
from model.load import Load
from model.state import Durable, Settings, Status


@frozen(kw_only=True, cache_hash=True)
class LedgerSnapshot:
    """What the future of a run depends on, of all that was noted. `events` and `faults` are `condensed`.

    `earlier`: what was noted before each of the last commits, the latest first. None: the store is never set
    back. `stale`: the workers that live on without their execution, which a rollback has lost.
    """

    accepted: tuple[Enqueue, ...] = ()
    events: tuple[Event, ...] = ()
    faults: tuple[InjectedFault, ...] = ()
    load: Load = field(factory=Load)
    stale: tuple[str, ...] = ()
    earlier: "tuple[LedgerSnapshot, ...] | None" = None


class Ledger:
    """What happened in a run so far."""

    def __init__(self, settings: Settings, *, rollback: bool = False) -> None:
        """`rollback`: the store may be set back to an earlier state."""
        self.actions: list[Action] = []
        """The actions of the schedule; those of the liveness run do not count."""
        self.records: list[Record] = []
        self.events: list[Event] = []
        """The audit, as it was read after each action."""
        self.accepted: list[Enqueue] = []
        """The enqueues that were committed, the first of each key."""
        self.faults: list[InjectedFault] = []
        self.load = Load()
        """What retries and failures have made so far."""
        self.recovering = False
        self.stale: tuple[str, ...] = ()
        """The workers that live on without their execution, which a rollback has lost."""
        self.earlier: tuple[LedgerSnapshot, ...] | None = () if rollback else None
        """What was noted before each of the last commits, the latest first."""
        self._settings = settings
        self._met: Counter[str] = Counter()
        self._hung: set[str] = set()
        """The workers whose handler does not return."""

    @property
    def step(self) -> int | None:
        """The number of the action that is being taken; None in the liveness run."""
        return None if self.recovering else len(self.actions)

    @property
    def accepted_keys(self) -> tuple[str, ...]:
        """The keys whose enqueue was committed."""
        return tuple([enqueue.key for enqueue in self.accepted])

    def is_poison(self, key: str | None) -> bool:
        """True if the job of that key kills the worker that runs its handler."""
        return any(enqueue.poison for enqueue in self.accepted if enqueue.key == key)

    @property
    def sometimes(self) -> Counter[str]:
        """How often each situation of `sometimes.py` was met."""
        met = Counter(self._met)
        for record in self.records:
            met.update(reached(record, self._settings))
        return met

    def note_action(self, action: Action, effective: Action) -> None:
        """Note an action that is about to be taken."""
        if not self.recovering:
            self.actions.append(action)
        if isinstance(effective, Crash) and effective is not action:
            self._met[OF_POISON] += 1
        if isinstance(effective, PowerLoss):
            self._met[OF_POWER] += 1

    def note_crashes(self, processes: dict[str, ProcessState], durable: Durable) -> None:
        """Note the executions that a crash of these processes is about to interrupt."""
        for name, process in processes.items():
            self._hung.discard(name)
            faults, met = crash_faults(name, process, durable)
            self.faults += faults
            self._met.update(met)

    def note_operation(self, done: SystemStep) -> None:
        """Note an operation that took effect: a job that was accepted, or a fault that was injected."""
        asked = None if done.operation is None else without_loss(done.operation)
        if isinstance(done.operation, LostReply):
            self._met[OF_REPLY] += 1
            self._met.update([OF_REPLIES[done.operation.of]] if done.operation.of in OF_REPLIES else [])
        self._note_hung(asked, done)
        if self.earlier is not None and done.events:
            self.earlier = with_earlier(self._noted()).earlier
        self.stale = still_stale(self.stale, done.events)
        if isinstance(asked, Rollback):
            self._roll_back(asked, done)
        elif isinstance(asked, Enqueue):
            if asked.key in self.accepted_keys:
                job = next((job.id for job in done.after.jobs if job.key == asked.key), 0)
                self.faults.append(InjectedFault(kind="duplicate", job=job))
            else:
                self.accepted.append(asked)
        elif (
            isinstance(asked, Fail | Release | TimeOut)
            and done.current_job
            and asked.worker not in self.stale
        ):
            self.faults.append(InjectedFault(kind="failure", job=done.current_job))

    def _note_hung(self, asked: Action | None, done: SystemStep) -> None:
        """Note which handlers do not return, and that another process takes the job of one."""
        for event in done.events:
            known = event.execution is not None and event.event == EventKind.EXPIRED
            if known and done.before.execution(event.execution or 0).worker in self._hung:
                self._met[OF_HUNG[1]] += 1
        if isinstance(asked, Hang):
            self._hung.add(asked.worker)
            self._met[OF_HUNG[0]] += 1
        elif isinstance(asked, Release | TimeOut):
            self._hung.discard(asked.worker)

    def keep(self, record: Record) -> None:
        """Keep the record of an action that was taken."""
        self.records.append(record)
        if isinstance(record.action, ClockBack | Rollback):  # also if the clock was set back since
            self.load = self.load.set_back(record.now)
        if record.events:
            self.events.extend(record.events)
            self.load = self.load.after(record.events, record.after, self._settings)

    def start_recovery(self) -> None:
        """From now on actions belong to the liveness run."""
        self.recovering = True

    def snapshot(self) -> LedgerSnapshot:
        """What the future depends on."""
        earlier = self.earlier
        return _condensed(
            evolve(
                self._noted(),
                earlier=None if earlier is None else tuple([_condensed(one) for one in earlier]),
            )
        )

    def restore(self, snapshot: LedgerSnapshot) -> None:
        """Go on from there, with no action and no record."""
        self.accepted, self.load = list(snapshot.accepted), snapshot.load
        self.events, self.faults = list(snapshot.events), list(snapshot.faults)
        self.stale, self.earlier = snapshot.stale, snapshot.earlier
        self.actions, self.recovering = [], False
        self.forget_records()

    def _noted(self) -> LedgerSnapshot:
        """All that was noted so far, not condensed."""
        return LedgerSnapshot(
            accepted=tuple(self.accepted),
            events=tuple(self.events),
            faults=tuple(self.faults),
            load=self.load,
            stale=self.stale,
            earlier=self.earlier,
        )

    def _roll_back(self, asked: Rollback, done: SystemStep) -> None:
        """Forget what belonged to the lost commits. Jobs that were accepted since are lost with them.

        The restored store must still show each crash that it can know of: the one of a worker that holds an
        execution of it.
        """
        earlier = self.earlier or ()
        undone = min(asked.commits, len(earlier))
        if not undone:
            return
        back, after = earlier[undone - 1], done.after
        known = {one.id for one in after.executions if one.status not in (Status.DONE, Status.ABORTED)}
        later = [fault for noted in (*earlier[: undone - 1], self._noted()) for fault in noted.faults]
        crashes = [fault for fault in later if fault.kind == "crash" and fault.execution in known]
        self.faults = list(dict.fromkeys([*back.faults, *crashes]))
        self.accepted, self.events, self.load = list(back.accepted), list(back.events), back.load
        self.stale = stale_after(self.stale, done.before, after)
        self.earlier = earlier[undone:]

    def forget_records(self) -> None:
        """Let go of the records, and of what was met."""
        self.records = []
        self._met.clear()


def crash_faults(
    name: str, process: ProcessState, durable: Durable
) -> tuple[list[InjectedFault], Counter[str]]:
    """The executions that a crash of the process interrupts, as faults; and the situations that it meets."""
    faults, met = [], Counter[str]()
    for execution in durable.executions:
        if execution.worker == name and execution.status not in (Status.DONE, Status.ABORTED):
            faults.append(InjectedFault(kind="crash", job=execution.job, execution=execution.id))
            met["a crash fell between commit and finish"] += execution.status is Status.COMMITTED
    in_transaction = process.pending is not None and process.at is PausePoint.STATEMENT
    met["a crash fell inside a transaction"] += in_transaction
    met["a crash hid a commit from its worker"] += process.at is PausePoint.COMMITTED
    return faults, met


def with_earlier(before: LedgerSnapshot) -> LedgerSnapshot:
    """What is noted after a commit that a rollback may undo. `before` is what was noted before it."""
    if before.earlier is None:
        return before
    noted = evolve(before, stale=(), earlier=None)
    return evolve(before, earlier=(noted, *before.earlier)[:COMMITS_MAX])


def still_stale(stale: tuple[str, ...], events: tuple[Event, ...]) -> tuple[str, ...]:
    """The stale workers after these events: a worker that leases another job is none of them any more."""
    if not stale:
        return stale
    leased = {event.actor for event in events if event.event == EventKind.LEASED}
    return tuple([name for name in stale if name not in leased])


def stale_after(stale: tuple[str, ...], before: Durable, after: Durable) -> tuple[str, ...]:
    """The stale workers after a rollback: those whose latest execution was lost."""
    latest = {execution.worker: execution.id for execution in before.executions}
    kept = {execution.id for execution in after.executions}
    lost = [name for name, execution in latest.items() if execution not in kept]
    return tuple(sorted({*stale, *lost}))


def _condensed(noted: LedgerSnapshot) -> LedgerSnapshot:
    events, faults = condensed(noted.events, noted.faults)
    return evolve(noted, events=events, faults=faults)
