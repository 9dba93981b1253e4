"""The counts of a search. The progress display reads them while the search runs."""

from collections import Counter
from collections.abc import Callable

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.proof.proof import Counts
from failure_modes.checker.search.search_spec import RunCounts
from system.clock import Stopwatch


class SearchStatistics:
    """The counts of a search so far, over all its examples."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.examples = 0
        self.steps = 0
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.sometimes: Counter[str] = Counter()
        self.off_target: Counter[str] = Counter()
        self.states: dict[object, int] = {}
        """The states that were seen, each with the number of the first example that saw it."""
        self.last_new_state = 0
        self.seconds_to_first: float | None = None
        self.examples_to_first: int | None = None
        self.shortest: Found | None = None
        """What was found, with the shortest trace to it so far."""
        self.explored: Counts | None = None
        """How far the explorer came, if it was asked."""
        self.is_minimal = False
        """True if the driver knows that no trace is shorter than that which was found."""
        self.stopped_early = False
        self.interrupted = False

    def add(self, counts: RunCounts, found: Found | None) -> None:
        """Count one example, and note what it found."""
        self.examples += 1
        self.steps += counts.steps
        self.sometimes.update(counts.sometimes)
        self.actions.update(counts.actions)
        self.outcomes.update(counts.outcomes)
        if counts.off_target:
            self.off_target[counts.off_target] += 1
        if found is not None:
            self.shortest = found
            self.seconds_to_first = self.stopwatch.seconds
            self.examples_to_first = self.examples

    def see(self, state: object) -> None:
        """Count a state, and note the example of the last new state."""
        if state not in self.states:
            self.states[state] = self.last_new_state = self.examples

    def absorb(self, later: "SearchStatistics") -> None:
        """Count the examples of a search that comes after this one, and that found nothing."""
        for state, example in later.states.items():
            if state not in self.states:
                self.states[state] = self.last_new_state = self.examples + example
        self.examples += later.examples
        self.steps += later.steps
        for mine, its in (
            (self.actions, later.actions),
            (self.outcomes, later.outcomes),
            (self.sometimes, later.sometimes),
            (self.off_target, later.off_target),
        ):
            mine.update(its)
        self.stopped_early = self.stopped_early or later.stopped_early
        self.interrupted = self.interrupted or later.interrupted


Progress = Callable[[SearchStatistics], None]
"""A function that is called after each example, with the statistics so far."""


def no_progress(_: SearchStatistics) -> None:
    """Show nothing."""
