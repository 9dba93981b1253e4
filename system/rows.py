"""Rows as records: the columns are named after the fields, in their order. `payload_json` is in `payload`."""

from typing import Any

from attrs import fields

from system.records import AuditRow, Breaker, Effect, Execution, Job, Status
from system.store import UnreadableRow

JOB_FIELDS, EXECUTION_FIELDS, EFFECT_FIELDS, AUDIT_FIELDS = (
    tuple([field.name for field in fields(record)]) for record in (Job, Execution, Effect, AuditRow)
)
JOB, EXECUTION, EFFECT, AUDIT = (
    ", ".join(names).replace("payload_json", "payload")
    for names in (JOB_FIELDS, EXECUTION_FIELDS, EFFECT_FIELDS, AUDIT_FIELDS)
)

STATUSES = frozenset(Status)
_NUMBER, _TEXT, _NONE, _FLAG = int, str, type(None), bool
JOB_KINDS: dict[str, tuple[type, ...]] = {
    "key": (_TEXT, _NONE),
    "payload_json": (_TEXT,),
    "attempts_max": (_NUMBER,),
    "enqueued_at": (_NUMBER,),
    "available_at": (_NUMBER, _NONE),
    "timed": (_FLAG,),
    "token": (_TEXT,),
}
EXECUTION_KINDS: dict[str, tuple[type, ...]] = {
    "job_id": (_NUMBER,),
    "attempt": (_NUMBER,),
    "worker": (_TEXT,),
    "status": (_TEXT, Status),
    "lease_expires_at": (_NUMBER,),
    "token": (_TEXT,),
}
"""The types of each column, as the driver gives them. A damaged file can hold anything."""


def read_job(row: Any) -> Job:
    """The row as a job. Raises UnreadableRow."""
    job = job_as_it_is(row)
    wrong = _wrong(job, JOB_KINDS)
    if wrong:
        raise UnreadableRow(job.id, wrong)
    return job


def job_as_it_is(row: Any) -> Job:
    """The row as a job, even if a value has a wrong type."""
    values = dict(zip(JOB_FIELDS, row, strict=True))
    if values["timed"] in (0, 1):
        values["timed"] = bool(values["timed"])
    return Job(**values)


_USUAL_TYPES = (int, int, int, str, str, int, str)
"""The types of the values of an execution, in the order of its fields."""
_STATUS_OF = {status.value: status for status in Status}


def read_execution(row: Any) -> Execution:
    """The row as an execution. Raises UnreadableRow."""
    if tuple(map(type, row)) != _USUAL_TYPES:
        return _read_unusual(row)
    number, job_id, attempt, worker, status, lease_expires_at, token = row
    if status not in _STATUS_OF or not worker.isascii() or not token.isascii():
        return _read_unusual(row)
    return Execution(
        id=number,
        job_id=job_id,
        attempt=attempt,
        worker=worker,
        status=_STATUS_OF[status],
        lease_expires_at=lease_expires_at,
        token=token,
    )


def _read_unusual(row: Any) -> Execution:
    """The row as an execution, after a check of each value. Raises UnreadableRow."""
    values = dict(zip(EXECUTION_FIELDS, row, strict=True))
    known = values["status"] in STATUSES
    if known:
        values["status"] = Status(values["status"])
    execution = Execution(**values)
    wrong = _wrong(execution, EXECUTION_KINDS)
    if wrong or not known:
        raise UnreadableRow(execution.job_id, wrong or f"a status is {execution.status!r}")
    return execution


def _wrong(record: object, kinds: dict[str, tuple[type, ...]]) -> str | None:
    """The first error in the values of a row, in words; None if there is none."""
    for name, kind in kinds.items():
        value = getattr(record, name)
        if type(value) not in kind:
            return f"{name.removesuffix('_json')} is of type {type(value).__name__}"
        if type(value) is str and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return f"{name.removesuffix('_json')} is not valid UTF-8"
    return None


def read_effect(row: Any) -> Effect:
    """The row as an effect."""
    return Effect(**dict(zip(EFFECT_FIELDS, row, strict=True)))


RETRIES = "SELECT begun_at FROM retries ORDER BY begun_at, id"
BREAKER = "SELECT failures, open_until_at FROM breaker"


def read_breaker(rows: list[Any]) -> Breaker:
    """The breaker. Without a row, or with one that cannot be read, it is closed: workers go on."""
    if not rows:
        return Breaker()
    failures, until = rows[0]
    if type(failures) is not int or type(until) not in (int, type(None)):
        return Breaker()
    return Breaker(failures=failures, open_until_at=until)


def read_retries(rows: list[Any]) -> tuple[int, ...]:
    """The times at which the retries began. A row that cannot be read counts as no retry: workers go on."""
    return tuple([begun_at for (begun_at,) in rows if type(begun_at) is int])


def read_audit_row(row: Any) -> AuditRow:
    """The row as one line of history. An unknown status stays text, so that all history can be read."""
    values = dict(zip(AUDIT_FIELDS, row, strict=True))
    for name in ("before", "after"):
        if values[name] in STATUSES:
            values[name] = Status(values[name])
    return AuditRow(**values)
