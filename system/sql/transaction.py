"""The statements of one open write transaction."""

from abc import abstractmethod
from typing import Any

from system.audit import EventKind, Operation, Reason
from system.records import Breaker, Effect, Execution, Job, Status
from system.rows import (
    BREAKER,
    EFFECT,
    EXECUTION,
    JOB,
    RETRIES,
    read_breaker,
    read_effect,
    read_execution,
    read_job,
    read_retries,
)
from system.store import StoreError, Tokens, UnreadableRow

ADD_EXECUTION = (
    "INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at, token)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
CHANGE_EXECUTION = "UPDATE executions SET status = ?, lease_expires_at = ? WHERE id = ?"
ADD_AUDIT_ROW = (
    "INSERT INTO audit (at, actor, operation, event, job_id, execution_id, before, after, reason, detail)"
)


class SQLTransaction:
    """One open write transaction. See `system.store.Transaction` for what each method promises."""

    __slots__ = ()

    now: int
    _tokens: Tokens
    _added: dict[int, Execution]
    """The execution that this transaction added, until it is read or changed. No other process sees it."""

    @abstractmethod
    def _rows(self, sql: str, *values: object) -> list[Any]:
        """Run one statement; its rows."""

    @abstractmethod
    def _run(self, sql: str, *values: object) -> None:
        """Run one statement that gives no rows."""

    @abstractmethod
    def _insert(self, sql: str, *values: object) -> int:
        """Insert one row; its id."""

    def job(self, job_id: int) -> Job:
        """The job of that id. Raises StoreError."""
        for row in self._rows(f"SELECT {JOB} FROM jobs WHERE id = ?", job_id):
            return read_job(row)
        raise StoreError(f"there is no job {job_id}")

    def set_available(self, job_id: int, available_at: int | None) -> None:
        """Give the job a due time of its own; None: it may not be leased again."""
        self._run("UPDATE jobs SET available_at = ?, timed = ? WHERE id = ?", available_at, True, job_id)

    def execution(self, execution_id: int) -> Execution:
        """The execution of that id. Raises StoreError."""
        found = self.find_execution(execution_id)
        if found is None:
            raise StoreError(f"there is no execution {execution_id}")
        return found

    def find_execution(self, execution_id: int) -> Execution | None:
        """The execution of that id, or None."""
        return self._added.pop(execution_id, None) or self._read_execution(execution_id)

    def _read_execution(self, execution_id: int) -> Execution | None:
        rows = self._rows(f"SELECT {EXECUTION} FROM executions WHERE id = ?", execution_id)
        return read_execution(rows[0]) if rows else None

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None."""
        rows = self._rows(
            f"SELECT {EXECUTION} FROM executions WHERE job_id = ? ORDER BY id DESC LIMIT 1", job_id
        )
        return read_execution(rows[0]) if rows else None

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: Operation
    ) -> Execution:
        """Add a LEASED execution, with its audit row."""
        token = self._tokens()
        values = job_id, attempt, worker, Status.LEASED, lease_expires_at, token
        audit_row = worker, operation, EventKind.LEASED, job_id
        added = Execution(
            id=self._add_execution(values, audit_row),
            job_id=job_id,
            attempt=attempt,
            worker=worker,
            status=Status.LEASED,
            lease_expires_at=lease_expires_at,
            token=token,
        )
        self._added[added.id] = added
        return added

    def _add_execution(self, values: tuple[object, ...], audit_row: tuple[object, ...]) -> int:
        execution_id = self._insert(ADD_EXECUTION, *values)
        self._audit(*audit_row, execution_id, None, Status.LEASED, None, None)
        return execution_id

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
        self._added.clear()
        until = execution.lease_expires_at if lease_expires_at is None else lease_expires_at
        audit_row = (
            actor,
            operation,
            event,
            execution.job_id,
            execution.id,
            execution.status,
            to,
            reason,
            detail,
        )
        self._move((to, until, execution.id), audit_row)

    def _move(self, values: tuple[object, ...], audit_row: tuple[object, ...]) -> None:
        self._run(CHANGE_EXECUTION, *values)
        self._audit(*audit_row)

    def give_up_unreadable(self, bad: UnreadableRow, *, operation: Operation, actor: str) -> None:
        """Close a job that cannot be read, and its open executions, with an audit row."""
        self._added.clear()
        self.set_available(bad.job_id, None)
        self._run(
            "UPDATE executions SET status = CASE status WHEN 'COMMITTED' THEN 'DONE' ELSE 'ABORTED' END"
            " WHERE job_id = ? AND status NOT IN ('DONE', 'ABORTED')",
            bad.job_id,
        )
        self.record(
            event=EventKind.SET_ASIDE,
            operation=operation,
            actor=actor,
            job_id=bad.job_id,
            reason=Reason.UNREADABLE,
            detail=bad.what,
        )

    def effect_of(self, job_id: int) -> Effect | None:
        """The job's first effect, or None."""
        rows = self._rows(f"SELECT {EFFECT} FROM effects WHERE job_id = ? ORDER BY id LIMIT 1", job_id)
        return read_effect(rows[0]) if rows else None

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Write the job's effect."""
        self._run(
            "INSERT INTO effects (job_id, execution_id, value) VALUES (?, ?, ?)", job_id, execution_id, value
        )

    def retries(self) -> tuple[int, ...]:
        """The times at which the remembered retries began, in ms, earliest first."""
        return read_retries(self._rows(RETRIES))

    def add_retry(self, *, forget_until: int) -> None:
        """Note that a retry begins now. Forget the retries that began at `forget_until` or before."""
        self._run("DELETE FROM retries WHERE begun_at <= ?", forget_until)
        self._run("INSERT INTO retries (begun_at) VALUES (?)", self.now)

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        return read_breaker(self._rows(BREAKER))

    def set_breaker(self, breaker: Breaker) -> None:
        """Write the circuit breaker."""
        self._run("DELETE FROM breaker")
        if breaker != Breaker():
            self._run(
                "INSERT INTO breaker (id, failures, open_until_at) VALUES (1, ?, ?)",
                breaker.failures,
                breaker.open_until_at,
            )

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
        self._audit(actor, operation, event, job_id, execution_id, None, None, reason, detail)

    def _audit(self, *audit_row: object) -> None:
        self._run(f"{ADD_AUDIT_ROW} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self.now, *audit_row)
