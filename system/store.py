"""The seam under the queue: a store, its transactions, and the errors of both.

A store keeps jobs, executions, effects and an audit row for each transition. Everything above this seam
is the same whatever database is below it. A transaction reads the time after it has begun; it is
whole or it is nothing. The records that it keeps are in `system.records`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from secrets import token_hex
from typing import Protocol

from system.audit import EventKind, Operation, Reason
from system.records import (
    HELD,
    AuditRow,
    Breaker,
    Counts,
    Effect,
    Execution,
    Job,
    JobState,
    JobStatus,
    Status,
)
from system.wakeups import Wakeups

__all__ = [
    "HELD",
    "AuditRow",
    "Breaker",
    "Counts",
    "Effect",
    "Execution",
    "Job",
    "JobState",
    "JobStatus",
    "Status",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreUnavailable",
    "Tokens",
    "Transaction",
    "UnreadableRow",
    "random_token",
]

Tokens = Callable[[], str]
"""Makes tokens. No two are the same, in any timeline."""


def random_token() -> str:
    """128 random bits, as 32 digits."""
    return token_hex(16)


class StoreError(Exception):
    """The store cannot do this. The message is one line that a user can act on."""


class UnreadableRow(StoreError):
    """A row of a job cannot be read: another program wrote it, or it is damaged. The message says why."""

    def __init__(self, job_id: int, what: str) -> None:
        super().__init__(f"job {job_id} cannot be read: {what}")
        self.job_id = job_id
        self.what = what


class StoreUnavailable(StoreError):
    """The store cannot be used now; try again later. The operation may have been done all the same."""


class StoreBusy(StoreUnavailable):
    """Another process held the database for too long. Nothing happened; try again."""


class Transaction(Protocol):
    """One transaction that may write. Rows it has read are held against other writers until it ends."""

    @property
    def now(self) -> int:
        """The time, in milliseconds. It is not before the last change of the job that was read last."""
        ...

    def job(self, job_id: int) -> Job:
        """The job of that id. Raises StoreError."""
        ...

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None."""
        ...

    def next_available(self, *, retries: bool) -> Job | None:
        """The job to lease next, or None; the time is read anew once it is found. Raises UnreadableRow.

        With `retries` it is the job that was leased before and has been due longest, if there is one. Else it
        is the job with the lowest id that was never leased.
        """
        ...

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        """Add a job. It is due at once."""
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

    def give_up_unreadable(self, bad: UnreadableRow, *, operation: Operation, actor: str) -> None:
        """Close a job that cannot be read, and its open executions, with an audit row."""
        ...

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: Operation
    ) -> Execution:
        """Add a LEASED execution, with its audit row."""
        ...

    def move(
        self,
        execution: Execution,
        *,
        to: Status,
        event: EventKind,
        operation: Operation,
        actor: str,
        lease_expires_at: int | None = None,
        reason: Reason | None = None,
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
        """The times at which the remembered retries began, in ms, earliest first."""
        ...

    def add_retry(self, *, forget_until: int) -> None:
        """Note that a retry begins now. Forget the retries that began at `forget_until` or before."""
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
        event: EventKind,
        operation: Operation,
        actor: str,
        job_id: int,
        execution_id: int | None = None,
        reason: Reason | None = None,
        detail: str | None = None,
    ) -> None:
        """Add an audit row that changes no execution."""
        ...


class Store(Protocol):
    """A durable store, opened by one process."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit at the end of the block; roll back if it raises. Raises StoreError.

        After the block what was written is durable. After StoreUnavailable it is worth trying again.
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
        """The times at which the remembered retries began, in ms, earliest first."""
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
        """The job of that id and its state, or None if there is none."""
        ...

    def given_up(self, limit: int) -> tuple[JobStatus, ...]:
        """The jobs that were buried or set aside last, the latest first."""
        ...

    def wakeups(self) -> Wakeups:
        """The waits of one worker that is idle."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...
