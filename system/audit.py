"""The words of the audit: operations, events and reasons. Each is written to the store as it is spelled here.

A word that was once written stays readable for ever, so none is renamed. The schema lists the events, and a
database refuses any other.
"""

from enum import StrEnum


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


class EventKind(StrEnum):
    """The event of an audit row."""

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
    """The reason, where the event alone does not say it."""

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
