"""What the command line prints, as text. Each line stays one line, whatever is in a name or in an error."""

import sys

from system.clock import utc
from system.store import AuditRow, Counts

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


def status_rows(counts: Counts, oldest_seconds: float | None) -> tuple[Row, ...]:
    """The counts, with a note where one says what to do or what to look at."""
    waits = "" if oldest_seconds is None else f"the oldest was enqueued {_duration(oldest_seconds)} ago"
    ends = "`reconcile` ends them" if counts.abandoned else ""
    rows = (
        ("PENDING", counts.pending, waits),
        ("RUNNING", counts.running, ""),
        ("SUCCEEDED", counts.succeeded, ""),
        ("FAILED", counts.failed, ""),
        ("abandoned leases", counts.abandoned, ends),
        ("duplicates refused", counts.duplicates_refused, ""),
    )
    return tuple([(label, f"{count:>7,}", note) for label, count, note in rows])


def _duration(seconds: float) -> str:
    for unit, length in (("d", DAY_SECONDS), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
