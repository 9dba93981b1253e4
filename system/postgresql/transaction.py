"""One open transaction. It locks the job before it reads what belongs to it.

At READ COMMITTED a statement sees the commits from before it began. While it waits for a lock it sees no
newer commit, but for the row that it waits for. So one statement takes a lock, and the next one reads the
rows that the lock guards.

The lock is FOR NO KEY UPDATE: nothing here deletes a job or an execution, or changes a column that a foreign
key can refer to. So an INSERT that refers to a job does not wait for it. Only the audit row of a duplicate is
inserted without the lock on its job, and no change of the job makes that row wrong.

Each statement is a round trip to the server. A write that gives no rows waits for the next statement: writes
to different tables that follow each other are sent as one. So a write may raise its error at the next
statement, or at the end of the transaction.
"""

import re
from functools import cache
from hashlib import blake2b
from typing import Any

from attrs import define, field

from system.clock import Clock
from system.postgresql.connecting import Connection
from system.postgresql.listening import NOTIFY
from system.rows import EXECUTION, JOB, read_execution, read_job
from system.schema import OPEN
from system.sql import SQLTransaction
from system.sql.transaction import ADD_AUDIT_ROW, ADD_EXECUTION
from system.store import Breaker, Execution, Job, StoreError, Tokens

_MS = "pg_catalog.floor(extract(epoch FROM {})::numeric * 1000::numeric)::bigint"
"""A time in milliseconds. The types are exact, as another role's function may match other types better."""

SERVER_TIME = _MS.format("pg_catalog.statement_timestamp()")
"""The server's time in milliseconds. It is constant within a statement, so that an index can be used."""

_AFTER_LOCK = _MS.format("pg_catalog.clock_timestamp()")

_HOLD_EXECUTION = (
    f"SELECT {EXECUTION}, {{time}} AS now_at FROM (SELECT executions.* FROM jobs"
    " JOIN executions ON executions.job_id = jobs.id WHERE executions.id = ?"
    " FOR NO KEY UPDATE OF jobs, executions) AS held"
)
"""Locks the job, then its execution. No transaction changes an execution without the lock on its job. If a
row was changed while the statement waited for the lock, the new row is read, and then the time."""

_RETRY = (
    f"SELECT {JOB} FROM jobs WHERE timed AND available_at <= {{time}}"
    " ORDER BY available_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
)
_NEW = (
    f"SELECT {JOB} FROM jobs WHERE NOT timed AND available_at IS NOT NULL{{unless}}"
    " ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
)
_NEVER_LEASED = (
    "NOT held.timed AND NOT EXISTS (SELECT FROM executions WHERE executions.job_id = held.id) AS never_leased"
)
"""A first lease makes its job timed. So a job that is not timed, in its row as it was locked, has executions
only if another program changed the row; and these are older than the statement."""

_NEXT_NEW = f"SELECT held.*, {_NEVER_LEASED}, {{after}} AS now_at FROM ({_NEW.format(unless='')}) AS held"
_NEXT = (
    f"WITH retry AS MATERIALIZED ({_RETRY}),"
    f" new AS MATERIALIZED ({_NEW.format(unless=' AND NOT EXISTS (SELECT FROM retry)')})"
    f" SELECT held.*, {_NEVER_LEASED}, {{after}} AS now_at"
    " FROM (SELECT * FROM retry UNION ALL SELECT * FROM new) AS held"
)
"""Locks one job: a retry, or a new job if there is no retry. The time is read after the lock."""

_ADD_EXECUTION = (
    f"WITH added AS ({ADD_EXECUTION} RETURNING id, status)"
    f" {ADD_AUDIT_ROW} SELECT ?, ?, ?, ?, ?, id, NULL, status, NULL, NULL FROM added RETURNING execution_id"
)
"""One statement adds an execution and writes its audit row."""

_TABLE_WRITTEN = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")


@define
class PostgreSQLTransaction(SQLTransaction):
    """One open transaction. See `system.store.Transaction` for what each method promises.

    The time is read after a lock was taken, so it is never before the last change of a locked row. A
    transaction that locks the breaker reads the time anew, and so does a lease that looks for a job: it may
    have read the limits at an earlier time.
    """

    _connection: Connection
    _tokens: Tokens
    _clock: Clock | None = None
    _now: int | None = None
    _locked: set[str] = field(factory=set)
    """The tables that are locked whole."""
    _added: dict[int, Execution] = field(factory=dict)
    _never_leased: int | None = None
    """The id of a locked job that has no execution yet, until something is written."""
    _waiting: list[tuple[str, tuple[object, ...]]] = field(factory=list)
    """The writes that are not sent yet, with their values. No two of them write to the same table."""
    _notifies: bool = False
    """True if a transaction that adds a job wakes the workers that are idle."""

    @property
    def now(self) -> int:  # type: ignore[override]
        """The time, in milliseconds, the same for the whole transaction once it was read."""
        if self._now is None:
            time, values = self._time()
            [(self._now,)] = self._rows(f"SELECT {time}", *values)
        assert self._now is not None, "it was read"
        return self._now

    def _time(self) -> tuple[str, tuple[int, ...]]:
        """The time as an SQL expression, and the values of it."""
        if self._now is not None:
            return "?::bigint", (self._now,)
        return (SERVER_TIME, ()) if self._clock is None else ("?::bigint", (self._clock.now(),))

    def _rows(self, sql: str, *values: object) -> list[Any]:
        self.flush()
        return self._connection.execute(in_driver_style(sql), values).fetchall()

    def _run(self, sql: str, *values: object) -> None:
        if any(table_written(sql) == table_written(other) for other, _ in self._waiting):
            self.flush()
        self._never_leased = None
        self._waiting.append((sql, values))

    def flush(self) -> None:
        """Send the writes that wait, as one statement."""
        if not self._waiting:
            return
        sql = in_one(tuple([sql for sql, _ in self._waiting]))
        values = tuple([value for _, values in self._waiting for value in values])
        self._waiting.clear()
        self._connection.execute(in_driver_style(sql), values)

    def _insert(self, sql: str, *values: object) -> int:
        return int(self._rows(f"{sql} RETURNING id", *values)[0][0])

    def job(self, job_id: int) -> Job:
        """The job of that id, locked. Raises StoreError."""
        for row in self._rows(f"SELECT {JOB} FROM jobs WHERE id = ? FOR NO KEY UPDATE", job_id):
            return read_job(row)
        raise StoreError(f"there is no job {job_id}")

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None. No other transaction can add such a job meanwhile."""
        digest = digest_of(key)
        number = int.from_bytes(digest[:8], signed=True)
        self._connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", (number,))
        rows = self._rows(f"SELECT {JOB} FROM jobs WHERE key_digest = ?", digest)
        return read_job(rows[0]) if rows else None

    def next_available(self, *, retries: bool) -> Job | None:
        """The next job that no other transaction has locked; it is locked now. None if there is none."""
        self._now = None
        time, values = self._time() if retries else ("", ())
        after = _AFTER_LOCK if self._clock is None else "NULL"
        rows = self._rows((_NEXT if retries else _NEXT_NEW).format(time=time, after=after), *values)
        if not rows:
            return None
        *job, never_leased, read_at = rows[0]
        self._now = read_at if self._clock is None else self._clock.now()
        self._never_leased = job[0] if never_leased else None
        return read_job(job)

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None."""
        if job_id == self._never_leased:
            return None
        time, values = self._time()
        rows = self._rows(
            f"SELECT last.*, {time} AS now_at FROM (VALUES (1)) AS always"
            f" LEFT JOIN LATERAL (SELECT {EXECUTION} FROM executions WHERE job_id = ?"
            " ORDER BY id DESC LIMIT 1) AS last ON true",
            *values,
            job_id,
        )
        *execution, self._now = rows[0]
        return None if execution[0] is None else read_execution(execution)

    def add_job(self, *, key: str | None, payload_json: str, attempts_max: int) -> Job:
        """Add a job. It is due at once."""
        time, values = self._time()
        token = self._tokens()
        notice = f", {NOTIFY}" if self._notifies else ""
        [(job_id, self._now, *_)] = self._rows(
            "INSERT INTO jobs"
            " (key, key_digest, payload, attempts_max, token, timed, enqueued_at, available_at)"
            f" VALUES (?, ?, ?, ?, ?, FALSE, {time}, {time}) RETURNING id, enqueued_at{notice}",
            key,
            None if key is None else digest_of(key),
            payload_json,
            attempts_max,
            token,
            *values,
            *values,
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

    def _read_execution(self, execution_id: int) -> Execution | None:
        """The execution of that id, or None; its job is locked."""
        time = _AFTER_LOCK if self._clock is None else "NULL"
        rows = self._rows(_HOLD_EXECUTION.format(time=time), execution_id)
        if not rows:
            return None
        *execution, read_at = rows[0]
        if self._now is None:
            self._now = read_at if self._clock is None else self._clock.now()
        return read_execution(execution)

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Open executions whose lease has run out, by id; without those whose job is locked."""
        time, values = self._time()
        found = self._rows(
            f"SELECT jobs.id FROM executions JOIN jobs ON jobs.id = executions.job_id WHERE {OPEN}"
            f" AND lease_expires_at <= {time} ORDER BY lease_expires_at, executions.id LIMIT ?"
            " FOR NO KEY UPDATE OF jobs SKIP LOCKED",
            *values,
            limit,
        )
        if not found:
            return ()
        time, values = self._time()
        rows = self._rows(
            f"SELECT {EXECUTION}, {time} AS now_at FROM executions WHERE job_id = ANY(?) AND {OPEN}"
            f" AND lease_expires_at <= {time} ORDER BY id",
            *values,
            [job_id for (job_id,) in found],
            *values,
        )
        for row in rows:
            self._now = row[-1]
        return tuple([read_execution(row[:-1]) for row in rows])

    def _add_execution(self, values: tuple[object, ...], audit_row: tuple[object, ...]) -> int:
        self._never_leased = None
        rows = self._rows(_ADD_EXECUTION, *values, self.now, *audit_row)
        return int(rows[0][0])

    def retries(self) -> tuple[int, ...]:
        """The times at which the remembered retries began, in ms, earliest first."""
        self._lock("retries")
        return super().retries()

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        if self._lock("breaker"):
            self._now = None
        return super().breaker()

    def _lock(self, table: str) -> bool:
        """Lock a table that every transaction that uses it reads first. False if it was locked already."""
        if table in self._locked:
            return False
        self.flush()
        self._connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        self._locked.add(table)
        return True


def digest_of(key: str) -> bytes:
    """A digest of a key of any length."""
    return blake2b(key.encode(), digest_size=32).digest()


@cache
def table_written(sql: str) -> str:
    """The table to which a statement writes."""
    found = _TABLE_WRITTEN.match(sql)
    assert found is not None, f"no write: {sql}"
    return found.group(1)


@cache
def in_one(writes: tuple[str, ...]) -> str:
    """One statement for writes to different tables. None of them sees the rows of another."""
    *before, last = writes
    first = [f"write_{number} AS ({sql})" for number, sql in enumerate(before)]
    return f"WITH {', '.join(first)} {last}" if first else last


@cache
def in_driver_style(sql: str) -> str:
    """The statement with the placeholders of psycopg."""
    return sql.replace("?", "%s")
