"""Tables in Markdown, and where a run is."""

import statistics
import sys
from collections.abc import Iterable, Sequence

import click

Row = Sequence[str]


def table(head: Row, rows: Iterable[Row]) -> str:
    """The rows as a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where."""
    if not values:
        return "failed"
    if len(values) == 1:
        return f"{values[0]:,.0f}"
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many of a hundred are not above."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def progress(text: str) -> None:
    """Say on stderr where the run is: on a terminal in one line that is written over."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
    else:
        click.echo(text, err=True)


def progress_ends() -> None:
    """Clear the line."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
