"""One open write transaction. It holds the whole database, so no read inside it can be stale."""

import sqlite3
from typing import Any

from attrs import frozen

from system.rows import EXECUTION, JOB, read_execution, read_job
from system.schema import OPEN
from system.sql import SQLTransaction
from system.store import Execution, Job, Tokens

_RETRY = f"SELECT {JOB} FROM jobs WHERE timed AND available_at <= ? ORDER BY available_at, id LIMIT 1"
_NEXT_NEW = f"SELECT {JOB} FROM jobs WHERE NOT timed AND available_at IS NOT NULL ORDER BY id LIMIT 1"
_TIME_MAX = 9_223_372_036_854_775_807
_NOT_A_TIME = f"SELECT {JOB} FROM jobs WHERE timed AND available_at > {_TIME_MAX} LIMIT 1"
"""A due time that is no number: SQLite orders text after every number, so it never comes."""
_NEXT = (
    f"SELECT * FROM ({_RETRY}) UNION ALL SELECT * FROM ({_NOT_A_TIME})"
    f" UNION ALL SELECT * FROM ({_NEXT_NEW}) LIMIT 1"
)
_HELD = (
    f"SELECT {EXECUTION} FROM executions WHERE {OPEN}"
    " AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = executions.job_id)"
)
_EXPIRED = (
    f"SELECT * FROM ({_HELD} AND lease_expires_at <= ? ORDER BY lease_expires_at, id LIMIT ?)"
    f" UNION ALL SELECT * FROM ({_HELD} AND lease_expires_at > {_TIME_MAX} LIMIT ?)"
)


@frozen
class SQLiteTransaction(SQLTransaction):
    """One open write transaction. See `system.store.Transaction` for what each method promises."""

    _connection: sqlite3.Connection
    _tokens: Tokens
    now: int

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _run(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values)

    def _insert(self, sql: str, *values: object) -> int:
        row_id = self._connection.execute(sql, values).lastrowid
        assert row_id is not None, "an INSERT gives a row id"
        return row_id

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None."""
        rows = self._rows(f"SELECT {JOB} FROM jobs WHERE key = ?", key)
        return read_job(rows[0]) if rows else None

    def next_available(self, *, retries: bool) -> Job | None:
        """The job to lease next, or None."""
        rows = self._rows(_NEXT if retries else _NEXT_NEW, *([self.now] if retries else []))
        return read_job(rows[0]) if rows else None

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        """Add a job. It is due at once."""
        token = self._tokens()
        job_id = self._insert(
            "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, available_at, timed, token)"
            " VALUES (?, ?, ?, ?, ?, FALSE, ?)",
            key,
            payload_json,
            attempts_max,
            self.now,
            self.now,
            token,
        )
        return Job(
            id=job_id,
            key=key,
            payload_json=payload_json,
            attempts_max=attempts_max,
            enqueued_at=self.now,
            available_at=self.now,
            timed=False,
            token=token,
        )

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Executions that are LEASED, IN_PROGRESS or COMMITTED and whose lease has run out, by id.

        A time that is no number never runs out, so such an execution counts as one whose lease has run out.
        """
        rows = self._rows(_EXPIRED, self.now, limit, limit)
        return tuple(sorted([read_execution(row) for row in rows], key=lambda execution: execution.id))
