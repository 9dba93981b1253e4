"""The situations that a search must meet at least once: a run that never met its danger shows nothing.

They are named here, and recognised from the record of an action.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from failure_modes.checker.experiment.scope import PROCESS_OF
from failure_modes.checker.simulation.stepping import CALL
from model.actions import RECONCILER, ClockBack, ClockSkew, Enqueue, Rollback, Step
from model.events import EventKind, Failure, Operation, Reason
from model.limits import has_room
from model.state import HELD, Settings, Status

if TYPE_CHECKING:
    from failure_modes.checker.oracle.records import Record

ANYWHERE = (
    "a lease expired",
    "a commit was refused",
    "a second commit was refused",
    "a duplicate enqueue was refused",
    "a heartbeat extended a lease",
    "a heartbeat was refused",
    "a handler failed",
    "a retry succeeded",
    "a job was buried",
    "a crash fell between commit and finish",
    "recovery finished a commit",
    "recovery aborted a stale execution",
)
OF_POISON = "a poison job killed its worker"
OF_GATEWAY = "the gateway recognised a key"
OF_POWER = "power was lost"
OF_REPLY = "a reply to a commit was lost"
OF_REPLIES = {
    "Heartbeat": "a reply to a heartbeat was lost",
    "Fail": "a reply to a failure was lost",
    "Enqueue": "a reply to an enqueue was lost",
    "Reconcile": "a reply to a reconciliation was lost",
}
"""By the action, where it is no step."""
OF_HUNG = "a handler hung", "the lease of a hung handler ran out", "a handler was timed out"
OF_THREAD = ("a second thread extended a lease", "a second thread came too late")
OF_RELEASE = "a job was released"
OF_CLOCK = "the clock was set back"
OF_SKEW = "the clock of one process was wrong"
OF_ROLLBACK = "the store was set back", "a stale token was refused"
OF_LIMITS = ("a retry was passed over", "the breaker opened", "the breaker closed")
OF_SETTINGS = (
    "a reconciliation left some to the next",
    "a second reconciler ended an execution",
    "a fused worker finished one job and leased another",
)
OF_PAYLOAD = "a duplicate asked for something else"
OF_ROWS = ("a lease passed over a job", "a deadlock was broken")
_OF_REPLIES = (OF_REPLY, *OF_REPLIES.values())
_OF_CLOCKS = OF_CLOCK, OF_SKEW
_OF_FAULTS = (OF_POISON, OF_POWER, *_OF_REPLIES, *OF_THREAD, OF_RELEASE, *OF_ROLLBACK, *OF_HUNG, *_OF_CLOCKS)
SOMEWHERE = (OF_GATEWAY, *_OF_FAULTS, *OF_LIMITS, *OF_SETTINGS, OF_PAYLOAD, *OF_ROWS)
"""Situations that need a gateway, a fault, second threads, settings, or locks on rows."""

AT_STATEMENTS = (
    "a crash fell inside a transaction",
    "a crash hid a commit from its worker",
    "a process waited for a lock",
)


_OF_ACTIONS = {
    "LostReply": _OF_REPLIES,
    "ThreadHeartbeat": OF_THREAD,
    "Release": (OF_RELEASE,),
    "ClockBack": (OF_CLOCK,),
    "ClockSkew": (OF_SKEW,),
    "Rollback": OF_ROLLBACK,
    "Hang": OF_HUNG[:2],
    "TimeOut": OF_HUNG[2:],
}
"""The situations that the rarer actions lead to."""


def of_weights(weights: Mapping[str, int]) -> tuple[str, ...]:
    """The situations of the rarer actions that have a weight."""
    return tuple([one for action, found in _OF_ACTIONS.items() if weights.get(action) for one in found])


def unknown_of(names: tuple[str, ...]) -> str | None:
    """Which of these names of situations are unknown, in words; None if each is known."""
    known = (*ANYWHERE, *AT_STATEMENTS, *SOMEWHERE)
    unknown = [name for name in names if name not in known]
    return f"nothing is called so in checker/oracle/sometimes.py: {', '.join(unknown)}" if unknown else None


def reached(record: "Record", settings: Settings) -> Iterator[str]:
    """The situations that one action met."""
    if _passed_over_a_retry(record, settings):
        yield "a retry was passed over"
    if _left_some(record, settings):
        yield OF_SETTINGS[0]
    if record.moved.ran == CALL and record.after == record.before:
        yield OF_GATEWAY
    if record.passed_over:
        yield "a lease passed over a job"
    if "deadlock" in (record.statement or ""):
        yield "a deadlock was broken"
    if record.blocked:
        yield "a process waited for a lock"
    by_thread = isinstance(record.action, Step) and record.action.worker in PROCESS_OF
    for event in record.events:
        if by_thread and event.operation == Operation.HEARTBEAT:
            yield OF_THREAD[event.event == EventKind.REFUSED]
    if isinstance(record.action, ClockBack):
        yield OF_CLOCK
    if isinstance(record.action, ClockSkew) and record.action.seconds:
        yield OF_SKEW
    if isinstance(record.action, Rollback) and record.after != record.before:
        yield OF_ROLLBACK[0]
    if isinstance(record.action, Enqueue) and record.action.payload is not None:
        yield OF_PAYLOAD
    if {EventKind.FINISHED, EventKind.LEASED} <= {event.event for event in record.events}:
        yield OF_SETTINGS[2]
    for event in record.events:
        if event.reason == Reason.UNKNOWN_TOKEN:
            yield OF_ROLLBACK[1]
        if event.operation == Operation.RECONCILE and event.after and event.actor != RECONCILER:
            yield OF_SETTINGS[1]
        match event.event, event.operation, event.reason:
            case EventKind.EXPIRED, operation, _:
                yield "a lease expired"
                if operation == Operation.RECONCILE:
                    yield "recovery aborted a stale execution"
            case EventKind.REFUSED, Operation.COMMIT, reason:
                yield "a commit was refused"
                if reason == Reason.ALREADY_COMMITTED:
                    yield "a second commit was refused"
            case EventKind.REFUSED, Operation.HEARTBEAT, _:
                yield "a heartbeat was refused"
            case EventKind.DUPLICATE, _, _:
                yield "a duplicate enqueue was refused"
            case EventKind.EXTENDED, _, _:
                yield "a heartbeat extended a lease"
            case EventKind.FAILED, _, _ if event.detail == Failure.RELEASED:
                yield OF_RELEASE
            case EventKind.FAILED, _, _ if event.detail == Failure.TIMED_OUT:
                yield OF_HUNG[2]
            case EventKind.FAILED, _, _:
                yield "a handler failed"
            case EventKind.OPENED | EventKind.CLOSED, _, _:
                yield f"the breaker {event.event}"
            case EventKind.BURIED, _, _:
                yield "a job was buried"
            case EventKind.FINISHED, operation, _:
                if operation == Operation.RECONCILE:
                    yield "recovery finished a commit"
                if event.execution and record.after.execution(event.execution).attempt > 1:
                    yield "a retry succeeded"


def _left_some(record: "Record", settings: Settings) -> bool:
    """True if a reconciliation ended as many executions as it may, and there were more."""
    if record.model is None or record.model.operation is not Operation.RECONCILE:
        return False
    ended = sum(event.after is not None for event in record.events)
    held = (*HELD, Status.COMMITTED)
    left = [one for one in record.after.executions if one.status in held]
    return ended == settings.reconcile_batch and any(one.lease_expires_at <= record.now for one in left)


def _passed_over_a_retry(record: "Record", settings: Settings) -> bool:
    """True if a lease left a retry alone because the budget had no room for it."""
    looked = record.model is not None and record.model.operation is Operation.LEASE
    if not looked or has_room(settings, record.before, record.now):
        return False
    return any(job.timed and job.is_due(record.now) for job in record.before.jobs)
