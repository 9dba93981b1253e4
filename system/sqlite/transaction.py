"""One open write transaction. It holds the whole database, so no read inside it can be stale."""

import sqlite3
from types import TracebackType
from typing import Any

from attrs import frozen

from system.rows import EXECUTION, JOB, read_execution, read_job
from system.schema import OPEN
from system.sql import SQLTransaction
from system.sqlite.files import OpenedFiles
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


class Begun:
    """Begins; commits at the end of the block; rolls back if it raises. A class, for speed.

    The files are checked before the COMMIT, so that nothing is written to a log that others do not read, and
    after it: the files were there after the COMMIT, so the commit is in them.
    """

    __slots__ = "_connection", "_files"

    def __init__(self, connection: sqlite3.Connection, files: OpenedFiles) -> None:
        self._connection = connection
        self._files = files

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._roll_back()
            return
        try:
            self._files.check()
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._files.check()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


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
