"""The reads outside of transactions: the rows, a job's status, and the counts."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from system.records import AuditRow, Breaker, Counts, Effect, Execution, Job, JobState, JobStatus
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
from system.schema import GIVEN_UP, OPEN


class SQLReads:
    """The reads outside of transactions. See `system.store.Store` for what each method promises."""

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
        """The times at which the remembered retries began, in ms, earliest first."""
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
        """The job of that id and its state, or None if there is none."""
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
        """The counts at the time that the SQL expression `now` gives, in milliseconds, with its values.

        Each count is the number of entries in an index, or the first of them: no table is read. The counts
        rely on the rules of the schema: a job with an effect has succeeded once that execution is done.
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
            " (SELECT min(enqueued_at) FROM jobs WHERE NOT timed AND available_at IS NOT NULL),"
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
        latest_due_at, in_future, abandoned, duplicates, counted_at = rest
        return Counts(
            pending=max(0, new + timed - held),  # an execution may be of a job that is gone
            running=held + committed,
            succeeded=effects - committed,
            failed=failed,
            set_aside=set_aside,
            oldest_due_at=min([at for at in (first_new, first_timed) if type(at) is int], default=None),
            latest_due_at=latest_due_at if type(latest_due_at) is int else None,
            enqueued_in_future=in_future,
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
