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


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and from where to where."""
    if not values:
        return "failed"
    median, least, most = [f"{of(values):,.{digits}f}" for of in (statistics.median, min, max)]
    return median if len(values) == 1 else f"{median} ({least} to {most})"


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
