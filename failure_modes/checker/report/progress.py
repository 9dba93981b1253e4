"""Progress on standard error: one live line on a terminal; elsewhere a plain line every few seconds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from failure_modes.checker.oracle.describe import steps_described
from system.clock import Stopwatch

if TYPE_CHECKING:  # a search needs no proof, and a proof no search
    from failure_modes.checker.proof.proof import Counts
    from failure_modes.checker.proof.proving import Report as ProofReport
    from failure_modes.checker.search.statistics import Progress as Report
    from failure_modes.checker.search.statistics import SearchStatistics

PLAIN_EVERY_SECONDS = 5.0


@contextmanager
def shown(label: str, examples: int) -> "Iterator[Report]":
    """A context that gives the function to call after each example."""
    if not sys.stderr.isatty():
        yield _Plain(label, examples)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=examples, detail="")

        def report(statistics: "SearchStatistics") -> None:
            phase = label if statistics.seconds_to_first is None else _shrinking(statistics)
            detail = f"{statistics.steps:,} steps"
            progress.update(task, completed=statistics.examples, description=phase, detail=detail)

        yield report


@contextmanager
def proof_shown(label: str) -> "Iterator[ProofReport]":
    """A context that gives the function to call after each round of a proof."""
    if not sys.stderr.isatty():
        yield _PlainProof(label)
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[detail]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None, detail="")

        def report(counts: "Counts", depth: int, seconds: float) -> None:
            progress.update(task, detail=_progress_text(counts, depth, seconds))

        yield report


def _progress_text(counts: "Counts", depth: int, seconds: float) -> str:
    rate = counts.transitions / seconds if seconds else 0.0
    return (
        f"{counts.states:,} states, {counts.frontier:,} left at depth {depth}, "
        f"{counts.transitions:,} transitions, {rate:,.0f}/s"
    )


def _shrinking(statistics: "SearchStatistics") -> str:
    """How far the shrinking of a finding has come."""
    found = statistics.shortest
    length = "" if found is None else f": {steps_described(len(found.actions))} so far"
    return f"found a break, shrinking{length}"


class ProgressLines:
    """One line every few seconds, so that a log stays short."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._stopwatch = Stopwatch()
        self._next = PLAIN_EVERY_SECONDS

    def say(self, text: Callable[[], str]) -> None:
        """Print the text if the last line is old enough."""
        if self._stopwatch.seconds < self._next:
            return
        self._next = self._stopwatch.seconds + PLAIN_EVERY_SECONDS
        print(f"{self._label}: {text()}", file=sys.stderr, flush=True)  # noqa: T201 (this is the output)

    def note(self, text: str) -> None:
        """Like `say`, for a text that is cheap to make."""
        self.say(lambda: text)


class _PlainProof:
    """The progress of a proof, in lines."""

    def __init__(self, label: str) -> None:
        self._lines = ProgressLines(label)

    def __call__(self, counts: "Counts", depth: int, seconds: float) -> None:
        self._lines.say(lambda: _progress_text(counts, depth, seconds))


class _Plain:
    """The progress of a search, in lines."""

    def __init__(self, label: str, examples: int) -> None:
        self._lines = ProgressLines(label)
        self._examples = examples

    def __call__(self, statistics: "SearchStatistics") -> None:
        self._lines.say(lambda: self._progress_text(statistics))

    def _progress_text(self, statistics: "SearchStatistics") -> str:
        phase = "" if statistics.seconds_to_first is None else f", {_shrinking(statistics)}"
        done = (
            f"{statistics.examples:,} examples tried ({self._examples:,} wanted), {statistics.steps:,} steps"
        )
        return f"{done}{phase}"
