"""The bookkeeping of a run: what happened, which faults were injected, and which situations were met.

The ledger takes notes and judges nothing. What it notes of faults is compared with the audit at the end: a
fault that the audit does not show went undetected.
"""

from collections import Counter

from attrs import field, frozen

from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.sometimes import OF_POISON, OF_POWER, OF_REPLY, reached
from failure_modes.checker.oracle.system_side import SystemStep
from failure_modes.checker.simulation.process_snapshot import ProcessState
from failure_modes.checker.simulation.stepping import PausePoint
from model.actions import Action, Enqueue, Fail, LostReply, PowerLoss
from model.events import Event
from model.invariants import InjectedFault, condensed
from model.load import Load
from model.state import Durable, Settings, Status


@frozen(kw_only=True)
class LedgerSnapshot:
    """What the future of a run depends on, of all that was noted. `events` and `faults` are `condensed`."""

    accepted: tuple[Enqueue, ...] = ()
    events: tuple[Event, ...] = ()
    faults: tuple[InjectedFault, ...] = ()
    load: Load = field(factory=Load)


class Ledger:
    """What happened in a run so far."""

    def __init__(self, settings: Settings) -> None:
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
        self._settings = settings
        self._met: Counter[str] = Counter()

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
        if effective is not action:
            self._met[OF_POISON] += 1
        if isinstance(effective, PowerLoss):
            self._met[OF_POWER] += 1

    def note_crashes(self, processes: dict[str, ProcessState], durable: Durable) -> None:
        """Note the executions that a crash of these processes is about to interrupt."""
        for name, process in processes.items():
            faults, met = crash_faults(name, process, durable)
            self.faults += faults
            self._met.update(met)

    def note_operation(self, done: SystemStep) -> None:
        """Note an operation that took effect: a job that was accepted, or a fault that was injected."""
        asked = done.operation
        if isinstance(asked, Enqueue):
            if asked.key in self.accepted_keys:
                job = next((job.id for job in done.after.jobs if job.key == asked.key), 0)
                self.faults.append(InjectedFault(kind="duplicate", job=job))
            else:
                self.accepted.append(asked)
        elif isinstance(asked, LostReply):
            self._met[OF_REPLY] += 1
        elif isinstance(asked, Fail) and done.current_job is not None:
            self.faults.append(InjectedFault(kind="failure", job=done.current_job))

    def keep(self, record: Record) -> None:
        """Keep the record of an action that was taken."""
        self.records.append(record)
        if record.events:
            self.events.extend(record.events)
            self.load = self.load.after(record.events, record.after, self._settings)

    def start_recovery(self) -> None:
        """From now on actions belong to the liveness run."""
        self.recovering = True

    def snapshot(self) -> LedgerSnapshot:
        """What the future depends on."""
        events, faults = condensed(tuple(self.events), tuple(self.faults))
        return LedgerSnapshot(accepted=tuple(self.accepted), events=events, faults=faults, load=self.load)

    def restore(self, snapshot: LedgerSnapshot) -> None:
        """Go on from there, with no action and no record."""
        self.accepted, self.load = list(snapshot.accepted), snapshot.load
        self.events, self.faults = list(snapshot.events), list(snapshot.faults)
        self.actions, self.recovering = [], False
        self.forget_records()

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
