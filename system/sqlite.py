"""The store on SQLite: one file, WAL, `synchronous=FULL`. The only file here that speaks SQL.

Each transaction begins with BEGIN IMMEDIATE, so writers exclude each other from their first statement on
and no read inside one can be stale. Job state is never stored; `available_at` is the queue's schedule
(the visibility timeout), and its partial index is what makes a lease cost the same at any length.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, fields, frozen

from system.clock import Clock
from system.store import AuditRow, Counts, Effect, Execution, Job, Status, StoreBusy, StoreError

APPLICATION_ID = 0x52484A51  # "RHJQ": says that a file is one of ours
SCHEMA_VERSION = 1
BUSY_SECONDS = 5.0

SCHEMA = (
    """
    CREATE TABLE jobs (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        key          TEXT UNIQUE,
        payload      TEXT    NOT NULL,
        attempts_max INTEGER NOT NULL CHECK (attempts_max > 0),
        enqueued_at  INTEGER NOT NULL,
        available_at INTEGER
    )""",
    "CREATE INDEX jobs_available ON jobs (available_at, id) WHERE available_at IS NOT NULL",
    """
    CREATE TABLE executions (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id           INTEGER NOT NULL REFERENCES jobs (id),
        attempt          INTEGER NOT NULL,
        worker           TEXT    NOT NULL,
        status           TEXT    NOT NULL
            CHECK (status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED', 'DONE', 'ABORTED')),
        lease_expires_at INTEGER NOT NULL
    )""",
    "CREATE INDEX executions_job ON executions (job_id, id)",
    """
    CREATE INDEX executions_open ON executions (lease_expires_at, id)
        WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')""",
    """
    CREATE TABLE effects (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id       INTEGER NOT NULL REFERENCES jobs (id),
        execution_id INTEGER NOT NULL REFERENCES executions (id),
        value        TEXT    NOT NULL
    )""",
    "CREATE INDEX effects_job ON effects (job_id)",
    """
    CREATE TABLE audit (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        at            INTEGER NOT NULL,
        actor         TEXT    NOT NULL,
        operation     TEXT    NOT NULL,
        event         TEXT    NOT NULL,
        job_id        INTEGER NOT NULL REFERENCES jobs (id),
        execution_id  INTEGER REFERENCES executions (id),
        before        TEXT,
        after         TEXT,
        reason        TEXT,
        detail        TEXT
    )""",
    "CREATE INDEX audit_job ON audit (job_id, id)",
    "CREATE INDEX audit_duplicates ON audit (id) WHERE event = 'duplicate' OR reason = 'already_committed'",
)

_JOB_FIELDS, _EXECUTION_FIELDS, _EFFECT_FIELDS, _AUDIT_FIELDS = (
    tuple([field.name for field in fields(record)]) for record in (Job, Execution, Effect, AuditRow)
)
_JOB, _EXECUTION, _EFFECT, _AUDIT = (
    ", ".join(names) for names in (_JOB_FIELDS, _EXECUTION_FIELDS, _EFFECT_FIELDS, _AUDIT_FIELDS)
)

Connect = Callable[[str], sqlite3.Connection]


def connect(target: str) -> sqlite3.Connection:
    """Open a connection in autocommit mode, so that BEGIN and COMMIT are ours alone."""
    return sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, uri=True)


class SQLiteStore:
    """The store in one SQLite file. See `system.store.Store` for what each method promises."""

    def __init__(
        self, path: str | Path, *, clock: Clock, create: bool = False, connect: Connect = connect
    ) -> None:
        """Open the file. Raises StoreError when it is missing, not a queue, newer, or unreadable."""
        self._path = Path(path)
        self._clock = clock
        mode = "rwc" if create else "rw"
        if not create and not self._path.exists():
            raise StoreError(f"{path}: no such file; `enqueue` creates a queue")
        with _explained(self._path):
            self._connection = connect(f"{self._path.absolute().as_uri()}?mode={mode}")
        try:
            with _explained(self._path):
                self._check_or_create(create=create)
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            self._connection.close()
            raise

    def _check_or_create(self, *, create: bool) -> None:
        if self._is_ours():
            return
        if not create or not self._is_empty():
            raise StoreError(f"{self._path}: not a queue database")
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            if self._is_ours():  # another process created it meanwhile
                return
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _is_ours(self) -> bool:
        if self._scalar("PRAGMA application_id") != APPLICATION_ID:
            return False
        version = self._scalar("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self._path}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
                "use the version of the program that wrote it, or a newer one"
            )
        return True

    def _is_empty(self) -> bool:
        return self._scalar("SELECT count(*) FROM sqlite_schema") == 0 and not self._scalar(
            "PRAGMA user_version"
        )

    def _scalar(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchall()[0][0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def transaction(self) -> Iterator["SQLiteTransaction"]:
        """Begin; commit at the end of the block; roll back if it raises."""
        with _explained(self._path), self._transaction():
            yield SQLiteTransaction(self._connection, self._clock.now())

    def jobs(self) -> tuple[Job, ...]:
        """Every job, by id."""
        return tuple([_job(row) for row in self._rows(f"SELECT {_JOB} FROM jobs ORDER BY id")])

    def executions(self) -> tuple[Execution, ...]:
        """Every execution, by id."""
        return tuple(
            [_execution(row) for row in self._rows(f"SELECT {_EXECUTION} FROM executions ORDER BY id")]
        )

    def effects(self) -> tuple[Effect, ...]:
        """Every effect, by id."""
        rows = self._rows(f"SELECT {_EFFECT} FROM effects ORDER BY id")
        return tuple([_effect(row) for row in rows])

    def audit(self, *, after: int = 0, job_id: int | None = None) -> Iterator[AuditRow]:
        """The audit rows with an id above `after`, by id; of one job when asked."""
        where, values = ("", ()) if job_id is None else (" AND job_id = ?", (job_id,))
        return map(
            _audit_row,
            self._rows(
                f"SELECT {_AUDIT} FROM audit WHERE id > ?{where} ORDER BY id",
                (after, *values),
            ),
        )

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        running = (
            "EXISTS (SELECT 1 FROM executions e WHERE e.job_id = jobs.id"
            " AND e.status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED'))"
        )
        done = "EXISTS (SELECT 1 FROM executions e WHERE e.job_id = jobs.id AND e.status = 'DONE')"
        last = "(SELECT attempt FROM executions e WHERE e.job_id = jobs.id ORDER BY e.id DESC LIMIT 1)"
        row = self._rows(
            f"WITH states AS (SELECT enqueued_at, CASE WHEN {done} THEN 'SUCCEEDED' WHEN {running} THEN"
            f" 'RUNNING' WHEN {last} >= attempts_max THEN 'FAILED' ELSE 'PENDING' END AS state FROM jobs)"
            " SELECT coalesce(sum(state = 'PENDING'), 0), coalesce(sum(state = 'RUNNING'), 0),"
            " coalesce(sum(state = 'SUCCEEDED'), 0), coalesce(sum(state = 'FAILED'), 0),"
            " min(CASE WHEN state = 'PENDING' THEN enqueued_at END),"
            " (SELECT count(*) FROM executions WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
            " AND lease_expires_at <= ?),"
            " (SELECT count(*) FROM audit WHERE event = 'duplicate' OR reason = 'already_committed')"
            " FROM states",
            (self._clock.now(),),
        )[0]
        pending, running_, succeeded, failed, oldest, abandoned, duplicates = row
        return Counts(
            pending=pending,
            running=running_,
            succeeded=succeeded,
            failed=failed,
            oldest_pending_at=oldest,
            abandoned=abandoned,
            duplicates_refused=duplicates,
        )

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        with _explained(self._path):
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


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
        for row in self._rows(f"SELECT {_JOB} FROM jobs WHERE id = ?", job_id):
            return _job(row)
        raise StoreError(f"there is no job {job_id}")

    def job_by_key(self, key: str) -> Job | None:
        """The job of that idempotency key, or None."""
        rows = self._rows(f"SELECT {_JOB} FROM jobs WHERE key = ?", key)
        return _job(rows[0]) if rows else None

    def next_available(self) -> Job | None:
        """The job that has been available longest (then the lowest id), or None."""
        rows = self._rows(
            f"SELECT {_JOB} FROM jobs WHERE available_at <= ? ORDER BY available_at, id LIMIT 1", self.now
        )
        return _job(rows[0]) if rows else None

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
        for row in self._rows(f"SELECT {_EXECUTION} FROM executions WHERE id = ?", execution_id):
            return _execution(row)
        raise StoreError(f"there is no execution {execution_id}")

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None."""
        rows = self._rows(
            f"SELECT {_EXECUTION} FROM executions WHERE job_id = ? ORDER BY id DESC LIMIT 1", job_id
        )
        return _execution(rows[0]) if rows else None

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Executions that are LEASED, IN_PROGRESS or COMMITTED and whose lease has run out, by id."""
        rows = self._rows(
            f"SELECT {_EXECUTION} FROM executions WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
            " AND lease_expires_at <= ? ORDER BY lease_expires_at, id LIMIT ?",
            self.now,
            limit,
        )
        return tuple(sorted([_execution(row) for row in rows], key=lambda execution: execution.id))

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
        rows = self._rows(f"SELECT {_EFFECT} FROM effects WHERE job_id = ? ORDER BY id LIMIT 1", job_id)
        return _effect(rows[0]) if rows else None

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Write the job's effect."""
        self._insert(
            "INSERT INTO effects (job_id, execution_id, value) VALUES (?, ?, ?)", job_id, execution_id, value
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
            "INSERT INTO audit (at, actor, operation, event, job_id, execution_id, before, after, reason, detail)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.now,
            actor,
            operation,
            event,
            job_id,
            *rest,
        )


def _job(row: Any) -> Job:
    return Job(**dict(zip(_JOB_FIELDS, row, strict=True)))


def _execution(row: Any) -> Execution:
    values = dict(zip(_EXECUTION_FIELDS, row, strict=True))
    return Execution(**{**values, "status": Status(values["status"])})


def _effect(row: Any) -> Effect:
    return Effect(**dict(zip(_EFFECT_FIELDS, row, strict=True)))


def _audit_row(row: Any) -> AuditRow:
    values = dict(zip(_AUDIT_FIELDS, row, strict=True))
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = Status(values[name])
    return AuditRow(**values)


_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: "not a queue database",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
    sqlite3.SQLITE_PERM: "permission denied",
}


def _explained(path: Path) -> AbstractContextManager[None]:
    return _Explained(path)


class _Explained:
    """Turns the driver's errors into ours. A class, because it is on the path of every transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not isinstance(error, sqlite3.DatabaseError):
            return
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy(
                f"{self._path}: locked by another process for more than {BUSY_SECONDS:g} s"
            ) from error
        raise StoreError(f"{self._path}: {_EXPLANATIONS.get(code, str(error))}") from error
