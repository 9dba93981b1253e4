"""The values that a store keeps and returns: jobs, executions, effects, audit rows, states and counts.

Times are whole milliseconds. Nothing here reads or writes a database.
"""

import json
from enum import StrEnum
from typing import Any

from attrs import frozen


class Status(StrEnum):
    """The status of an execution."""

    LEASED = "LEASED"
    IN_PROGRESS = "IN_PROGRESS"
    COMMITTED = "COMMITTED"
    DONE = "DONE"
    ABORTED = "ABORTED"


HELD = (Status.LEASED, Status.IN_PROGRESS)
"""The statuses in which an execution holds its job by a lease."""


@frozen(kw_only=True)
class Job:
    """A job. Times in ms.

    `payload_json` is JSON text. `available_at` is None once the job may not be leased again. `timed` is True
    if `available_at` is a due time: the end of a lease or of a backoff. A job that was never leased has no
    due time: it is due at once, whatever the clock says. `token` is random, so that no job of another
    timeline (a backup that was restored) has the same.
    """

    id: int
    key: str | None
    payload_json: str
    attempts_max: int
    enqueued_at: int
    available_at: int | None
    timed: bool
    token: str

    @property
    def payload(self) -> Any:
        """The payload, read anew from its JSON text each time."""
        return json.loads(self.payload_json)


@frozen(kw_only=True)
class Execution:
    """One attempt at a job, under one lease. Its id grows with each lease of the job.

    `token` is the fencing token. It is random, since a store that was restored gives the same ids again.
    """

    id: int
    job_id: int
    attempt: int
    worker: str
    status: Status
    lease_expires_at: int
    token: str


@frozen(kw_only=True)
class Effect:
    """The effect of a job; `value` is JSON text."""

    id: int
    job_id: int
    execution_id: int
    value: str


@frozen(kw_only=True)
class AuditRow:
    """One line of history. `before` and `after` are an execution's statuses, where it changed."""

    id: int
    at: int
    actor: str
    operation: str
    event: str
    job_id: int
    execution_id: int | None
    before: Status | None
    after: Status | None
    reason: str | None
    detail: str | None


@frozen(kw_only=True)
class Breaker:
    """The circuit breaker: failures in a row, and until when (ms) it is open; None when it is closed."""

    failures: int = 0
    open_until_at: int | None = None


class JobState(StrEnum):
    """The state of a job: derived from its rows, never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@frozen(kw_only=True)
class JobStatus:
    """A job and how far it has come.

    `attempts`: the number of its leases. `effect_json`: its effect as JSON text; None before there is one.
    `why`: the text of the last failure, or why the job was set aside; None if nothing failed.
    """

    job: Job
    state: JobState
    attempts: int
    effect_json: str | None
    why: str | None


@frozen(kw_only=True)
class Counts:
    """The counts of `status`, at `counted_at`. Times in ms, None where there is no such job.

    - `oldest_due_at`: the time since which the oldest due job waits.
    - `latest_due_at`: the time at which the last of the jobs that wait for a time is due.
    - `enqueued_in_future`: the jobs that wait and whose time of enqueueing lies in the future.
    - `abandoned`: the executions whose lease ran out and that no worker has taken up.
    """

    pending: int
    running: int
    succeeded: int
    failed: int
    set_aside: int
    oldest_due_at: int | None
    latest_due_at: int | None
    enqueued_in_future: int
    abandoned: int
    duplicates_refused: int
    counted_at: int
