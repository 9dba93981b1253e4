"""The text that the command line prints. Each line stays one line, whatever is in a name or an error."""

import json
import sys
from typing import Any

from attrs import asdict

from system.clock import utc
from system.store import AuditRow, Counts, JobStatus

Row = tuple[str, ...]

DAY_SECONDS = 86_400


def one_line(text: str) -> str:
    """The text with line breaks and control characters as escapes, in what stdout can encode."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # stdout may be closed
    return escaped(text).encode(encoding, "backslashreplace").decode(encoding)


def escaped(text: str) -> str:
    """The text with each character that is not printable as an escape."""
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode() for char in text])


def aligned(rows: tuple[Row, ...]) -> str:
    """The rows under one another, each column as wide as its widest cell."""
    lines = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines],
    )


def audit_row(row: AuditRow) -> Row:
    """One line of a job's history."""
    execution = f"exec-{row.execution_id}" if row.execution_id else "-"
    change = f"{row.before or 'new'} -> {row.after}" if row.after else "-"
    why = ": ".join([text for text in (row.reason, row.detail) if text])
    return utc(row.at), row.actor, row.operation, row.event, execution, change, why


def status_rows(counts: Counts) -> tuple[Row, ...]:
    """The counts. Where a number asks for attention, a note says what to do."""
    waits = []
    if counts.oldest_due_at is not None:
        behind = max(0, counts.counted_at - counts.oldest_due_at)
        waits.append(f"the oldest has been due for {_duration(behind / 1000)}")
    late = counts.latest_due_at if counts.pending else None  # else it is the end of a lease
    if late is not None and late > counts.counted_at:
        ahead = late - counts.counted_at
        waits.append(f"the last is due in {_duration(ahead / 1000)}")
    if counts.enqueued_in_future:
        waits.append(
            f"{counts.enqueued_in_future:,} enqueued in the future: the clock was set back, or is wrong now"
        )
    ends = "`reconcile` ends them" if counts.abandoned else ""
    rows = (
        ("PENDING", counts.pending, "; ".join(waits)),
        ("RUNNING", counts.running, ""),
        ("SUCCEEDED", counts.succeeded, ""),
        ("FAILED", counts.failed, "`failed` lists them" if counts.failed else ""),
        (
            "set aside",
            counts.set_aside,
            "they cannot be read; `failed` says why" if counts.set_aside else "",
        ),
        ("abandoned leases", counts.abandoned, ends),
        ("duplicates refused", counts.duplicates_refused, ""),
    )
    return tuple([(label, f"{count:>7,}", note) for label, count, note in rows])


def job_rows(found: JobStatus) -> tuple[Row, ...]:
    """A job and how far it has come."""
    rows = [
        ("job", str(found.job.id)),
        ("state", found.state),
        ("key", found.job.key or "-"),
        ("enqueued", utc(found.job.enqueued_at)),
        ("attempts", f"{found.attempts} of {found.job.attempts_max}"),
        ("payload", str(found.job.payload_json)),
    ]
    if found.job.available_at is not None and found.job.timed:
        rows.insert(5, ("due", utc(found.job.available_at)))
    if found.effect_json is not None:
        rows.append(("result", found.effect_json))
    if found.why is not None:
        rows.append(("last failure", found.why))
    return tuple(rows)


def failed_row(found: JobStatus) -> Row:
    """A job that was given up, in one line."""
    attempts = f"{found.attempts} of {found.job.attempts_max} attempts"
    return f"job {found.job.id}", found.job.key or "-", attempts, found.why or "-"


def job_json(found: JobStatus) -> dict[str, Any]:
    """A job as an object. A value that is not valid JSON is shown as text."""
    job = asdict(found.job)
    del job["token"]
    job["payload"] = _value(job.pop("payload_json"))
    result = None if found.effect_json is None else _value(found.effect_json)
    return job | {"state": found.state, "attempts": found.attempts, "result": result, "why": found.why}


def _value(text: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return repr(text)


def counts_json(counts: Counts) -> dict[str, Any]:
    """The counts as an object; times in seconds from now."""
    found = {name: value for name, value in asdict(counts).items() if not name.endswith("_at")}
    oldest, latest = counts.oldest_due_at, counts.latest_due_at
    behind = None if oldest is None else max(0, counts.counted_at - oldest) / 1000
    ahead = None if latest is None else max(0, latest - counts.counted_at) / 1000
    return found | {"oldest_due_seconds": behind, "latest_due_in_seconds": ahead}


def _duration(seconds: float) -> str:
    for unit, length in (("d", DAY_SECONDS), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
