"""The seam under the queue: durable records, and the transactions over them.

A store keeps jobs, executions, effects and an audit row for each transition. Everything above this seam
is the same whatever database is below it. A transaction reads the time after it has begun; it is
whole or it is nothing.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from secrets import token_hex
from typing import Any, Protocol

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


Tokens = Callable[[], str]
"""Makes tokens, each another one than any before, in any timeline."""


def random_token() -> str:
    """128 random bits, as 32 digits."""
    return token_hex(16)


class StoreError(Exception):
    """The store cannot do what it was asked. The message is one line that a user can act on."""


class UnreadableRow(StoreError):
    """A row of a job cannot be read: another program wrote it, or it is damaged. The message says why."""

    def __init__(self, job_id: int, what: str) -> None:
        super().__init__(f"job {job_id} cannot be read: {what}")
        self.job_id = job_id
        self.what = what


class StoreUnavailable(StoreError):
    """It cannot be used now, and may be later. What was asked may have been done all the same."""


class StoreBusy(StoreUnavailable):
    """Another process held the database for longer than we wait. Nothing happened; try again."""


@frozen(kw_only=True)
class Job:
    """A job. Times in ms.

    `payload_json` is JSON text. `available_at` is None once the job may not be leased again. `timed` says
    whether that is a due time of its own: the end of a lease, or of a backoff. A job that was never leased
    has none: it is due as soon as it is there, whatever the clock says. `token` is random, so that no job of
    another timeline (a backup that was restored) has the same.
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

    `token` is the fencing token. It is random: a store that was restored gives ids out again, and no token.
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


class Transaction(Protocol):
    """One transaction that may write. Rows it has read are held against other writers until it ends."""

    @property
    def now(self) -> int:
        """The time, in milliseconds: not before the last change of the job that was read last."""
        ...

    def job(self, job_id: int) -> Job:
        """The job of that id. Raises StoreError."""
        ...

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None."""
        ...

    def next_available(self, *, retries: bool) -> Job | None:
        """The job to lease next, or None; the time is read anew once it is found. Raises UnreadableRow.

        With `retries`, of the jobs that were leased before the one that has been due longest. Else, or if
        there is none, of the jobs that never were the one with the lowest id.
        """
        ...

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        """Add a job that is due as soon as it is there."""
        ...

    def set_available(self, job_id: int, available_at: int | None) -> None:
        """Give the job a due time of its own; None: it may not be leased again."""
        ...

    def execution(self, execution_id: int) -> Execution:
        """The execution of that id. Raises StoreError."""
        ...

    def find_execution(self, execution_id: int) -> Execution | None:
        """The execution of that id, or None."""
        ...

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None. Raises UnreadableRow."""
        ...

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Executions that are LEASED, IN_PROGRESS or COMMITTED and whose lease has run out, by id.

        Raises UnreadableRow.
        """
        ...

    def set_aside(self, bad: UnreadableRow, *, operation: str, actor: str) -> None:
        """Close the job of a row that cannot be read, and what is open of it, with an audit row."""
        ...

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: str
    ) -> Execution:
        """Add a LEASED execution, with its audit row."""
        ...

    def move(
        self,
        execution: Execution,
        *,
        to: Status,
        event: str,
        operation: str,
        actor: str,
        lease_expires_at: int | None = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Change an execution's status, with its audit row."""
        ...

    def effect_of(self, job_id: int) -> Effect | None:
        """The job's first effect, or None."""
        ...

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Write the job's effect."""
        ...

    def retries(self) -> tuple[int, ...]:
        """When each retry that is remembered began, in ms, earliest first."""
        ...

    def add_retry(self, *, forget_until: int) -> None:
        """A retry begins now; those that began at that time or before are forgotten."""
        ...

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        ...

    def set_breaker(self, breaker: Breaker) -> None:
        """Write the circuit breaker."""
        ...

    def record(
        self,
        *,
        event: str,
        operation: str,
        actor: str,
        job_id: int,
        execution_id: int | None = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Add an audit row for something that changed no execution."""
        ...


class JobState(StrEnum):
    """The state of a job: derived from its rows, never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@frozen(kw_only=True)
class JobStatus:
    """A job and how far it has come.

    `attempts`: how often it was leased. `effect_json`: its effect as JSON text, None before there is one.
    `why`: what the last failed attempt, or what set the job aside, left to be read; None if nothing failed.
    """

    job: Job
    state: JobState
    attempts: int
    effect_json: str | None
    why: str | None


@frozen(kw_only=True)
class Counts:
    """What `status` reports, at `counted_at`. Times in ms, None where there is no such job.

    `oldest_due_at`: since when the job waits that has been due longest. `latest_due_at`: when the last of the
    jobs that wait for a time is due. `ahead`: jobs that wait and were enqueued at a time that lies in the
    future. `abandoned`: leases that ran out, and nobody took the job up.
    """

    pending: int
    running: int
    succeeded: int
    failed: int
    set_aside: int
    oldest_due_at: int | None
    latest_due_at: int | None
    ahead: int
    abandoned: int
    duplicates_refused: int
    counted_at: int


class Store(Protocol):
    """A durable store, opened by one process."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit at the end of the block; roll back if it raises. Raises StoreError.

        What is answered is durable. StoreUnavailable says that it is worth trying again.
        """
        ...

    def jobs(self) -> tuple[Job, ...]:
        """Every job, by id."""
        ...

    def executions(self) -> tuple[Execution, ...]:
        """Every execution, by id."""
        ...

    def effects(self) -> tuple[Effect, ...]:
        """Every effect, by id."""
        ...

    def retries(self) -> tuple[int, ...]:
        """When each retry that is remembered began, in ms, earliest first."""
        ...

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        ...

    def audit(self, *, after: int = 0, job_id: int | None = None) -> Iterator[AuditRow]:
        """The audit rows with an id above `after`, by id; of one job when asked."""
        ...

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        ...

    def status(self, job_id: int) -> JobStatus | None:
        """How far that job has come, or None if there is none."""
        ...

    def given_up(self, limit: int) -> tuple[JobStatus, ...]:
        """The jobs that were buried or set aside last, the latest first."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
