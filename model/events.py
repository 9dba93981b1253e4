"""The words of the audit, one enum each; the audit rows of a step, and its outcome.

The words are those of the store's audit rows, letter for letter. `system/` has enums of its own, and a test
holds that the two say the same.
"""

from enum import StrEnum

from attrs import frozen

from model.state import Status


class Operation(StrEnum):
    """An operation of the queue: one transaction."""

    ENQUEUE = "enqueue"
    LEASE = "lease"
    START = "start"
    HEARTBEAT = "heartbeat"
    COMMIT = "commit"
    FINISH = "finish"
    FAIL = "fail"
    RECONCILE = "reconcile"


class Environment(StrEnum):
    """A step that is no transaction of the queue, and so has no audit row."""

    NONE = "none"
    TICK = "tick"
    CRASH = "crash"
    POWER_LOSS = "power loss"
    ROLLBACK = "rollback"
    CLOCK_BACK = "clock back"
    CLOCK_SKEW = "clock skew"
    CHARGE = "charge"
    RECOGNISE = "recognise"
    THREAD = "begin a heartbeat"
    HANG = "hang"


class EventKind(StrEnum):
    """The event of an audit row. No row of the model is damaged, so the model writes no SET_ASIDE."""

    ENQUEUED = "enqueued"
    DUPLICATE = "duplicate"
    LEASED = "leased"
    STARTED = "started"
    EXTENDED = "extended"
    COMMITTED = "committed"
    FINISHED = "finished"
    FAILED = "failed"
    EXPIRED = "expired"
    BURIED = "buried"
    REFUSED = "refused"
    EXHAUSTED = "exhausted"
    OPENED = "opened"
    CLOSED = "closed"
    SET_ASIDE = "set_aside"


class Reason(StrEnum):
    """The reason, where the event alone does not say it. The model writes no UNREADABLE."""

    ALREADY_COMMITTED = "already_committed"
    ALREADY_FINISHED = "already_finished"
    ALREADY_STARTED = "already_started"
    NOT_STARTED = "not_started"
    LEASE_LOST = "lease_lost"
    LEASE_EXPIRED = "lease_expired"
    UNKNOWN_TOKEN = "unknown_token"
    HANDLER_FAILED = "handler_failed"
    ATTEMPTS_SPENT = "attempts_spent"
    ABANDONED = "abandoned"
    RETRY_BUDGET = "retry_budget"
    UNREADABLE = "unreadable"


class Failure(StrEnum):
    """The text of a failure: what the handlers of a run raise, and why a worker releases its job."""

    SCHEDULED = "as the schedule says"
    REPLY_LOST = "the gateway's reply was lost"
    RELEASED = "Released: the worker was interrupted"
    TIMED_OUT = "TimedOut: the handler ran for too long"


@frozen(kw_only=True)
class Event:
    """One audit row: which process did what to which execution, and how it was answered.

    `event`, `operation` and `reason` are text: the model writes words of the enums, and a system that is
    observed may write others. `before` and `after` are the execution's statuses where it changed (or was
    extended), else None. `detail` is the text of the failure. `at` is a time in milliseconds.
    """

    event: str
    operation: str
    actor: str
    job: int
    execution: int | None = None
    before: Status | None = None
    after: Status | None = None
    reason: str | None = None
    detail: str | None = None
    at: int = 0


@frozen(kw_only=True)
class Outcome:
    """The outcome of a step. `rejected` is the reason why it could not happen; then nothing changed."""

    operation: Operation | Environment
    events: tuple[Event, ...] = ()
    rejected: str | None = None
