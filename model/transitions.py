"""Which status may follow which, by which operation, and why the others may not.

The tables are data. `model.step` takes its moves from them, the invariants judge by them, and the state
diagrams in the documents are drawn from them. Nothing else says what is allowed.
"""

from enum import StrEnum
from functools import cache

from attrs import frozen

from model.actions import Action, Fail, Heartbeat, Release, Step, TimeOut
from model.events import EventKind, Failure, Operation, Reason
from model.state import HELD, Execution, JobState, Phase, Status


class Lease(StrEnum):
    """The lease that a transition requires at the time at which it happens."""

    LIVE = "live"
    EXPIRED = "expired"
    ANY = "any"


class By(StrEnum):
    """The role that may make a transition."""

    HOLDER = "holder"
    RECOVERY = "recovery"


@frozen(kw_only=True)
class Transition:
    """One allowed change of an execution. `before` is None where the execution begins to exist.

    `reason` is the reason in its audit row, if there is one.
    """

    before: Status | None
    after: Status
    event: EventKind
    operations: tuple[Operation, ...]
    by: By
    lease: Lease
    reason: Reason | None = None


EXECUTION: tuple[Transition, ...] = (
    Transition(
        before=None,
        after=Status.LEASED,
        event=EventKind.LEASED,
        operations=(Operation.LEASE,),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.IN_PROGRESS,
        event=EventKind.STARTED,
        operations=(Operation.START,),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.LEASED,
        event=EventKind.EXTENDED,
        operations=(Operation.HEARTBEAT,),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.IN_PROGRESS,
        event=EventKind.EXTENDED,
        operations=(Operation.HEARTBEAT,),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.COMMITTED,
        event=EventKind.COMMITTED,
        operations=(Operation.COMMIT,),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.COMMITTED,
        after=Status.DONE,
        event=EventKind.FINISHED,
        operations=(Operation.FINISH,),
        by=By.HOLDER,
        lease=Lease.ANY,
    ),
    Transition(
        before=Status.COMMITTED,
        after=Status.DONE,
        event=EventKind.FINISHED,
        operations=(Operation.RECONCILE,),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
        reason=Reason.ABANDONED,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.ABORTED,
        event=EventKind.FAILED,
        operations=(Operation.FAIL,),
        by=By.HOLDER,
        lease=Lease.LIVE,
        reason=Reason.HANDLER_FAILED,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.ABORTED,
        event=EventKind.FAILED,
        operations=(Operation.FAIL,),
        by=By.HOLDER,
        lease=Lease.LIVE,
        reason=Reason.HANDLER_FAILED,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.ABORTED,
        event=EventKind.EXPIRED,
        operations=(Operation.LEASE, Operation.RECONCILE),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.ABORTED,
        event=EventKind.EXPIRED,
        operations=(Operation.LEASE, Operation.RECONCILE),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
    ),
)

JOB: tuple[tuple[JobState, JobState, str], ...] = (
    (JobState.PENDING, JobState.RUNNING, "an execution is leased"),
    (JobState.RUNNING, JobState.RUNNING, "a stale execution is aborted and a new one leased"),
    (JobState.RUNNING, JobState.PENDING, "the execution is aborted, attempts are left"),
    (JobState.RUNNING, JobState.FAILED, "the execution is aborted, the attempts are spent"),
    (JobState.RUNNING, JobState.SUCCEEDED, "the committed execution is finished"),
)
"""The changes of a job's derived state that are allowed, and what makes each."""

REFUSED: dict[tuple[Operation, Status], Reason] = {
    (Operation.START, Status.IN_PROGRESS): Reason.ALREADY_STARTED,
    (Operation.COMMIT, Status.LEASED): Reason.NOT_STARTED,
    **{(Operation.FINISH, status): Reason.ALREADY_FINISHED for status in Status},
}
"""Why an operation is refused in a status that has no row for it. Where nothing is said here: LEASE_LOST."""


@frozen(kw_only=True)
class ProgramStep:
    """One line of the program that each worker runs.

    In this phase the action makes the worker do the operation. `after` is its next phase; if it was refused,
    or no job was leased, the next phase is `refused`. `failure` is what the handler raised, if it did.

    A fused line does more than one operation in its transaction: `finishes` its execution before a lease, and
    `starts` the execution that the lease gives.
    """

    phase: Phase
    action: type[Action]
    operation: Operation
    after: Phase
    refused: Phase = Phase.IDLE
    failure: Failure | None = None
    finishes: bool = False
    starts: bool = False


PROGRAM: tuple[ProgramStep, ...] = (
    ProgramStep(phase=Phase.IDLE, action=Step, operation=Operation.LEASE, after=Phase.LEASED),
    ProgramStep(phase=Phase.LEASED, action=Step, operation=Operation.START, after=Phase.RUNNING),
    ProgramStep(
        phase=Phase.RUNNING,
        action=Heartbeat,
        operation=Operation.HEARTBEAT,
        after=Phase.RUNNING,
        refused=Phase.RUNNING,
    ),
    ProgramStep(phase=Phase.RUNNING, action=Step, operation=Operation.COMMIT, after=Phase.COMMITTED),
    ProgramStep(
        phase=Phase.RUNNING,
        action=Fail,
        operation=Operation.FAIL,
        after=Phase.IDLE,
        failure=Failure.SCHEDULED,
    ),
    *[
        ProgramStep(
            phase=phase,
            action=action,
            operation=Operation.FAIL,
            after=Phase.IDLE,
            failure=failure,
        )
        for action, failure in ((Release, Failure.RELEASED), (TimeOut, Failure.TIMED_OUT))
        for phase in (Phase.RUNNING, Phase.CALLED, Phase.HUNG)
    ],
    ProgramStep(phase=Phase.CALLED, action=Step, operation=Operation.COMMIT, after=Phase.COMMITTED),
    ProgramStep(
        phase=Phase.CALLED,
        action=Fail,
        operation=Operation.FAIL,
        after=Phase.IDLE,
        failure=Failure.REPLY_LOST,
    ),
    ProgramStep(phase=Phase.COMMITTED, action=Step, operation=Operation.FINISH, after=Phase.IDLE),
)
"""The program. A handler that calls a gateway goes from RUNNING to CALLED, by no operation of the queue."""

FUSED: tuple[ProgramStep, ...] = (
    ProgramStep(phase=Phase.IDLE, action=Step, operation=Operation.LEASE, after=Phase.RUNNING, starts=True),
    ProgramStep(
        phase=Phase.COMMITTED,
        action=Step,
        operation=Operation.LEASE,
        after=Phase.RUNNING,
        finishes=True,
        starts=True,
    ),
)
"""The lines of the fused program that differ. It has two transactions a job: this one, and the commit."""

_ROWS = {(operation, row.before): row for row in EXECUTION for operation in row.operations}
_OF_A_LIVE_LEASE = {operation for row in EXECUTION if row.lease is Lease.LIVE for operation in row.operations}
_LINES = {(line.phase, line.action): line for line in PROGRAM}
_FUSED_LINES = _LINES | {(line.phase, line.action): line for line in FUSED}
_ORDER = (None, Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED, Status.DONE)


@cache
def allowed(before: Status | None, after: Status) -> tuple[Transition, ...]:
    """The transitions of the table between two statuses; empty when there is none."""
    return tuple([row for row in EXECUTION if row.before is before and row.after is after])


def transition(operation: Operation, before: Status | None) -> Transition | None:
    """The row of the table that the operation takes from that status; None when there is none."""
    return _ROWS.get((operation, before))


def refusal(operation: Operation, execution: Execution, now: int) -> Reason | None:
    """The reason to refuse the holder's operation at that time; None when the table allows it."""
    if operation in _OF_A_LIVE_LEASE and execution.status in HELD and execution.lease_expires_at <= now:
        return Reason.LEASE_EXPIRED
    if transition(operation, execution.status):
        return None
    return REFUSED.get((operation, execution.status), Reason.LEASE_LOST)


def next_in_program(phase: Phase, action: Action, *, fused: bool) -> ProgramStep | None:
    """The line of the program that a worker takes in that phase; None when the action cannot happen then."""
    return (_FUSED_LINES if fused else _LINES).get((phase, type(action)))


@cache
def why_not(before: Status | None, after: Status) -> str | None:
    """The reason a change is not in the table, or None when it is."""
    if allowed(before, after):
        return None
    if before is Status.DONE:
        return "DONE is terminal"
    if before is Status.ABORTED:
        return "ABORTED is terminal: a new attempt is a new execution"
    if before is None:
        return "an execution begins with a lease"
    if before is Status.COMMITTED and after is Status.ABORTED:
        return "the effect of a COMMITTED execution is durable: it can be finished, not taken back"
    if before is after:
        return f"only a heartbeat leaves the status as it is, and {before} holds no lease"
    if after in _ORDER and _ORDER.index(after) < _ORDER.index(before):
        return "an execution never goes back"
    return f"{before} -> {after} leaves out a step that must be durable on its own"


@cache
def why_not_job(before: JobState, after: JobState) -> str | None:
    """The reason a change of a job's state is not in the table, or None when it is."""
    if before is after or any(row[:2] == (before, after) for row in JOB):
        return None
    if before in (JobState.SUCCEEDED, JobState.FAILED):
        return f"{before} is terminal"
    return "a job is RUNNING before it ends"
