"""What is told of a step: the audit rows that it writes, and its outcome."""

from attrs import frozen

from model.state import Status


@frozen(kw_only=True)
class Event:
    """One audit row: who did what to which execution, and how it was answered.

    `before` and `after` are the execution's statuses where it changed (or was extended), else None.
    `reason` is a code, given where the event alone does not say why; `at` is a time in milliseconds.
    """

    event: str
    operation: str
    actor: str
    job: int
    execution: int | None = None
    before: Status | None = None
    after: Status | None = None
    reason: str | None = None
    at: int = 0


@frozen(kw_only=True)
class Outcome:
    """What a step did. `rejected` is the reason when it could not happen; then nothing changed."""

    operation: str
    events: tuple[Event, ...] = ()
    rejected: str | None = None
