"""One open write transaction."""

import sqlite3
from typing import Any

from attrs import evolve, frozen

from system.sqlite.rows import (
    BREAKER,
    EFFECT,
    EXECUTION,
    JOB,
    RETRIES,
    read_breaker,
    read_effect,
    read_execution,
    read_job,
)
from system.store import Breaker, Effect, Execution, Job, Status, StoreError


@frozen
class SQLiteTransaction:
    """One open write transaction. See `system.store.Transaction` for what each method promises."""

    _connection: sqlite3.Connection
    now: int

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _insert(self, sql: str, *values: object) -> int:
        row_id = self._connection.execute(sql, values).lastrowid
        assert row_id is not None, "an INSERT gives a row id"
        return row_id

    def job(self, job_id: int) -> Job:
        """The job of that id. Raises StoreError."""
        for row in self._rows(f"SELECT {JOB} FROM jobs WHERE id = ?", job_id):
            return read_job(row)
        raise StoreError(f"there is no job {job_id}")

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None."""
        rows = self._rows(f"SELECT {JOB} FROM jobs WHERE key = ?", key)
        return read_job(rows[0]) if rows else None

    def next_available(self) -> Job | None:
        """The job that has been available longest (then the lowest id), or None."""
        rows = self._rows(
            f"SELECT {JOB} FROM jobs WHERE available_at <= ? ORDER BY available_at, id LIMIT 1", self.now
        )
        return read_job(rows[0]) if rows else None

    def add_job(self, *, key: str | None, payload: str, attempts_max: int) -> Job:
        """Add a job that is available now."""
        job_id = self._insert(
            "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, available_at) VALUES (?, ?, ?, ?, ?)",
            key,
            payload,
            attempts_max,
            self.now,
            self.now,
        )
        return Job(
            id=job_id,
            key=key,
            payload=payload,
            attempts_max=attempts_max,
            enqueued_at=self.now,
            available_at=self.now,
        )

    def set_available(self, job_id: int, available_at: int | None) -> None:
        """Say when the job may be leased next; None for never again."""
        self._rows("UPDATE jobs SET available_at = ? WHERE id = ?", available_at, job_id)

    def execution(self, execution_id: int) -> Execution:
        """The execution of that id. Raises StoreError."""
        for row in self._rows(f"SELECT {EXECUTION} FROM executions WHERE id = ?", execution_id):
            return read_execution(row)
        raise StoreError(f"there is no execution {execution_id}")

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None."""
        rows = self._rows(
            f"SELECT {EXECUTION} FROM executions WHERE job_id = ? ORDER BY id DESC LIMIT 1", job_id
        )
        return read_execution(rows[0]) if rows else None

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Executions that are LEASED, IN_PROGRESS or COMMITTED and whose lease has run out, by id."""
        rows = self._rows(
            f"SELECT {EXECUTION} FROM executions WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
            " AND lease_expires_at <= ? ORDER BY lease_expires_at, id LIMIT ?",
            self.now,
            limit,
        )
        return tuple(sorted([read_execution(row) for row in rows], key=lambda execution: execution.id))

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: str
    ) -> Execution:
        """Add a LEASED execution, with its audit row."""
        execution_id = self._insert(
            "INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at)"
            " VALUES (?, ?, ?, ?, ?)",
            job_id,
            attempt,
            worker,
            Status.LEASED,
            lease_expires_at,
        )
        execution = Execution(
            id=execution_id,
            job_id=job_id,
            attempt=attempt,
            worker=worker,
            status=Status.LEASED,
            lease_expires_at=lease_expires_at,
        )
        self._audit(worker, operation, "leased", job_id, execution_id, None, Status.LEASED, None, None)
        return execution

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
        changed = evolve(
            execution,
            status=to,
            lease_expires_at=execution.lease_expires_at if lease_expires_at is None else lease_expires_at,
        )
        self._rows(
            "UPDATE executions SET status = ?, lease_expires_at = ? WHERE id = ?",
            changed.status,
            changed.lease_expires_at,
            changed.id,
        )
        self._audit(
            actor, operation, event, execution.job_id, execution.id, execution.status, to, reason, detail
        )

    def effect_of(self, job_id: int) -> Effect | None:
        """The job's first effect, or None."""
        rows = self._rows(f"SELECT {EFFECT} FROM effects WHERE job_id = ? ORDER BY id LIMIT 1", job_id)
        return read_effect(rows[0]) if rows else None

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Write the job's effect."""
        self._insert(
            "INSERT INTO effects (job_id, execution_id, value) VALUES (?, ?, ?)", job_id, execution_id, value
        )

    def retries(self) -> tuple[int, ...]:
        """When each retry that is remembered began, in ms, earliest first."""
        return tuple([begun_at for (begun_at,) in self._rows(RETRIES)])

    def add_retry(self, *, forget_until: int) -> None:
        """A retry begins now; those that began at that time or before are forgotten."""
        self._rows("DELETE FROM retries WHERE begun_at <= ?", forget_until)
        self._insert("INSERT INTO retries (begun_at) VALUES (?)", self.now)

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        return read_breaker(self._rows(BREAKER))

    def set_breaker(self, breaker: Breaker) -> None:
        """Write the circuit breaker."""
        self._rows("DELETE FROM breaker")
        if breaker != Breaker():
            self._insert(
                "INSERT INTO breaker (id, failures, open_until_at) VALUES (1, ?, ?)",
                breaker.failures,
                breaker.open_until_at,
            )

    def record(
        self,
        *,
        event: str,
        operation: str,
        actor: str,
        job_id: int,
        execution_id: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Add an audit row for something that changed no execution."""
        self._audit(actor, operation, event, job_id, execution_id, None, None, reason, None)

    def _audit(self, actor: str, operation: str, event: str, job_id: int, *rest: object) -> None:
        self._insert(
            "INSERT INTO audit"
            " (at, actor, operation, event, job_id, execution_id, before, after, reason, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.now,
            actor,
            operation,
            event,
            job_id,
            *rest,
        )
