"""What every SQL database is told in the same words: the statements of a transaction, and of the reads.

A `?` stands for a value. What differs from one database to the other (how it gives an id, which rows a read
holds against other writers) is in that database's folder.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from system.rows import (
    AUDIT,
    BREAKER,
    EFFECT,
    EXECUTION,
    JOB,
    RETRIES,
    job_as_it_is,
    read_audit_row,
    read_breaker,
    read_effect,
    read_execution,
    read_job,
    read_retries,
)
from system.schema import GIVEN_UP
from system.store import (
    AuditRow,
    Breaker,
    Counts,
    Effect,
    Execution,
    Job,
    JobState,
    JobStatus,
    Status,
    StoreError,
    Tokens,
    UnreadableRow,
)

OPEN = "status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"

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
        rows = self._rows(f"SELECT {EXECUTION} FROM executions WHERE id = ?", execution_id)
        return read_execution(rows[0]) if rows else None

    def last_execution(self, job_id: int) -> Execution | None:
        """The job's latest execution, or None."""
        rows = self._rows(
            f"SELECT {EXECUTION} FROM executions WHERE job_id = ? ORDER BY id DESC LIMIT 1", job_id
        )
        return read_execution(rows[0]) if rows else None

    def add_execution(
        self, *, job_id: int, attempt: int, worker: str, lease_expires_at: int, operation: str
    ) -> Execution:
        """Add a LEASED execution, with its audit row."""
        token = self._tokens()
        values = job_id, attempt, worker, Status.LEASED, lease_expires_at, token
        told = worker, operation, "leased", job_id
        return Execution(
            id=self._add_execution(values, told),
            job_id=job_id,
            attempt=attempt,
            worker=worker,
            status=Status.LEASED,
            lease_expires_at=lease_expires_at,
            token=token,
        )

    def _add_execution(self, values: tuple[object, ...], told: tuple[object, ...]) -> int:
        execution_id = self._insert(ADD_EXECUTION, *values)
        self._audit(*told, execution_id, None, Status.LEASED, None, None)
        return execution_id

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
        until = execution.lease_expires_at if lease_expires_at is None else lease_expires_at
        told = actor, operation, event, execution.job_id, execution.id, execution.status, to, reason, detail
        self._move((to, until, execution.id), told)

    def _move(self, values: tuple[object, ...], told: tuple[object, ...]) -> None:
        self._run(CHANGE_EXECUTION, *values)
        self._audit(*told)

    def set_aside(self, bad: UnreadableRow, *, operation: str, actor: str) -> None:
        """Close the job of a row that cannot be read, and what is open of it, with an audit row."""
        self.set_available(bad.job_id, None)
        self._run(
            "UPDATE executions SET status = CASE status WHEN 'COMMITTED' THEN 'DONE' ELSE 'ABORTED' END"
            " WHERE job_id = ? AND status NOT IN ('DONE', 'ABORTED')",
            bad.job_id,
        )
        self.record(
            event="set_aside",
            operation=operation,
            actor=actor,
            job_id=bad.job_id,
            reason="unreadable",
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
        """When each retry that is remembered began, in ms, earliest first."""
        return read_retries(self._rows(RETRIES))

    def add_retry(self, *, forget_until: int) -> None:
        """A retry begins now; those that began at that time or before are forgotten."""
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
        event: str,
        operation: str,
        actor: str,
        job_id: int,
        execution_id: int | None = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Add an audit row for something that changed no execution."""
        self._audit(actor, operation, event, job_id, execution_id, None, None, reason, detail)

    def _audit(self, *told: object) -> None:
        self._run(f"{ADD_AUDIT_ROW} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self.now, *told)


class SQLReads:
    """What is read outside of transactions. See `system.store.Store` for what each method promises."""

    @abstractmethod
    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Run one statement; its rows."""

    def jobs(self) -> tuple[Job, ...]:
        """Every job, by id."""
        return tuple([read_job(row) for row in self._rows(f"SELECT {JOB} FROM jobs ORDER BY id")])

    def executions(self) -> tuple[Execution, ...]:
        """Every execution, by id."""
        return tuple(
            [read_execution(row) for row in self._rows(f"SELECT {EXECUTION} FROM executions ORDER BY id")]
        )

    def effects(self) -> tuple[Effect, ...]:
        """Every effect, by id."""
        rows = self._rows(f"SELECT {EFFECT} FROM effects ORDER BY id")
        return tuple([read_effect(row) for row in rows])

    def retries(self) -> tuple[int, ...]:
        """When each retry that is remembered began, in ms, earliest first."""
        return read_retries(self._rows(RETRIES))

    def breaker(self) -> Breaker:
        """The circuit breaker."""
        return read_breaker(self._rows(BREAKER))

    def audit(self, *, after: int = 0, job_id: int | None = None) -> Iterator[AuditRow]:
        """The audit rows with an id above `after`, by id; of one job when asked."""
        where, values = ("", ()) if job_id is None else (" AND job_id = ?", (job_id,))
        return map(
            read_audit_row,
            self._rows(f"SELECT {AUDIT} FROM audit WHERE id > ?{where} ORDER BY id", (after, *values)),
        )

    def status(self, job_id: int) -> JobStatus | None:
        """How far that job has come, or None if there is none."""
        rows = self._rows(f"{_STATUS} WHERE jobs.id = ?", (job_id,))
        return _read_status(rows[0]) if rows else None

    def given_up(self, limit: int) -> tuple[JobStatus, ...]:
        """The jobs that were buried or set aside last, the latest first."""
        rows = self._rows(
            f"{_STATUS} JOIN audit AS ended ON ended.job_id = jobs.id WHERE ended.{GIVEN_UP}"
            " ORDER BY ended.id DESC LIMIT ?",
            (limit,),
        )
        return tuple([_read_status(row) for row in rows])

    def _counts(self, now: str, values: tuple[object, ...]) -> Counts:
        """Counts at a time: an expression, in milliseconds, and what it is made of.

        Each is the number of entries in an index, or the first of them: no table is read. What follows from
        the rules over rows is left out: a job with an effect has succeeded once that execution is done.
        """
        row = self._rows(
            f"WITH moment AS (SELECT {now} AS now)"
            " SELECT (SELECT count(*) FROM jobs WHERE NOT timed AND available_at IS NOT NULL),"
            " (SELECT count(*) FROM jobs WHERE timed AND available_at IS NOT NULL),"
            f" (SELECT count(*) FROM executions WHERE {OPEN} AND status <> 'COMMITTED'),"
            f" (SELECT count(*) FROM executions WHERE {OPEN} AND status = 'COMMITTED'),"
            " (SELECT count(*) FROM effects),"
            f" (SELECT count(*) FROM audit WHERE {GIVEN_UP} AND event = 'buried'),"
            f" (SELECT count(*) FROM audit WHERE {GIVEN_UP} AND event = 'set_aside'),"
            " (SELECT enqueued_at FROM jobs WHERE NOT timed AND available_at IS NOT NULL"
            " ORDER BY id LIMIT 1),"
            " (SELECT min(available_at) FROM jobs WHERE timed AND available_at IS NOT NULL"
            " AND available_at <= (SELECT now FROM moment)),"
            " (SELECT max(available_at) FROM jobs WHERE timed AND available_at IS NOT NULL),"
            " (SELECT count(*) FROM jobs WHERE NOT timed AND available_at IS NOT NULL"
            " AND enqueued_at > (SELECT now FROM moment)),"
            f" (SELECT count(*) FROM executions WHERE {OPEN}"
            " AND lease_expires_at <= (SELECT now FROM moment)),"
            " (SELECT count(*) FROM audit WHERE event = 'duplicate' OR reason = 'already_committed'),"
            " (SELECT now FROM moment)",
            values,
        )[0]
        new, timed, held, committed, effects, failed, set_aside, first_new, first_timed, *rest = row
        latest_due_at, ahead, abandoned, duplicates, counted_at = rest
        return Counts(
            pending=new + timed - held,
            running=held + committed,
            succeeded=effects - committed,
            failed=failed,
            set_aside=set_aside,
            oldest_due_at=min([at for at in (first_new, first_timed) if type(at) is int], default=None),
            latest_due_at=latest_due_at if type(latest_due_at) is int else None,
            ahead=ahead,
            abandoned=abandoned,
            duplicates_refused=duplicates,
            counted_at=counted_at,
        )


_OF_JOB = ", ".join([f"jobs.{column}" for column in JOB.split(", ")])
_ANY = "EXISTS (SELECT 1 FROM executions e WHERE e.job_id = jobs.id AND e."
_STATUS = (
    f"SELECT {_OF_JOB},"
    f" CASE WHEN {_ANY}status = 'DONE') THEN 'SUCCEEDED' WHEN {_ANY}{OPEN}) THEN 'RUNNING'"
    " WHEN jobs.available_at IS NULL THEN 'FAILED' ELSE 'PENDING' END,"
    " (SELECT count(*) FROM executions e WHERE e.job_id = jobs.id),"
    " (SELECT value FROM effects WHERE effects.job_id = jobs.id ORDER BY effects.id LIMIT 1),"
    " (SELECT detail FROM audit WHERE audit.job_id = jobs.id AND detail IS NOT NULL"
    " ORDER BY audit.id DESC LIMIT 1) FROM jobs"
)


def _read_status(row: Any) -> JobStatus:
    *job, state, attempts, effect, why = row
    return JobStatus(
        job=job_as_it_is(job), state=JobState(state), attempts=attempts, effect_json=effect, why=why
    )
