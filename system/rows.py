"""Rows as records: the columns are named after the fields, in their order. `payload_json` is in `payload`."""

from typing import Any

from attrs import fields

from system.store import AuditRow, Breaker, Effect, Execution, Job, Status

JOB_FIELDS, EXECUTION_FIELDS, EFFECT_FIELDS, AUDIT_FIELDS = (
    tuple([field.name for field in fields(record)]) for record in (Job, Execution, Effect, AuditRow)
)
JOB, EXECUTION, EFFECT, AUDIT = (
    ", ".join(names).replace("payload_json", "payload")
    for names in (JOB_FIELDS, EXECUTION_FIELDS, EFFECT_FIELDS, AUDIT_FIELDS)
)


def read_job(row: Any) -> Job:
    """The row as a job."""
    values = dict(zip(JOB_FIELDS, row, strict=True))
    values["timed"] = bool(values["timed"])
    return Job(**values)


def read_execution(row: Any) -> Execution:
    """The row as an execution."""
    values = dict(zip(EXECUTION_FIELDS, row, strict=True))
    values["status"] = Status(values["status"])
    return Execution(**values)


def read_effect(row: Any) -> Effect:
    """The row as an effect."""
    return Effect(**dict(zip(EFFECT_FIELDS, row, strict=True)))


RETRIES = "SELECT begun_at FROM retries ORDER BY begun_at, id"
BREAKER = "SELECT failures, open_until_at FROM breaker"


def read_breaker(rows: list[Any]) -> Breaker:
    """The breaker; no row is one that is closed."""
    return Breaker(failures=rows[0][0], open_until_at=rows[0][1]) if rows else Breaker()


def read_audit_row(row: Any) -> AuditRow:
    """The row as one line of history."""
    values = dict(zip(AUDIT_FIELDS, row, strict=True))
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = Status(values[name])
    return AuditRow(**values)
