"""What a search is asked, and what it came to. Nothing here imports Hypothesis."""

from collections import Counter
from collections.abc import Callable

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Swap
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Hunt
from failure_modes.checker.oracle.lockstep import Lockstep
from model.actions import Action
from system.clock import Stopwatch


class Tally:
    """What a search has met so far. Shared by all its examples; read by the progress display."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.examples = 0
        self.steps = 0
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.sometimes: Counter[str] = Counter()
        self.asides: Counter[str] = Counter()
        self.states: set[object] = set()
        self.last_new_state = 0
        self.seconds_to_first: float | None = None
        self.examples_to_first: int | None = None
        self.shortest: Found | None = None
        self.bound_hit = False
        self.interrupted = False

    def add(self, lockstep: Lockstep, *, first_found: bool) -> None:
        """Count one example. Those after the first finding only shrink it, and are not counted."""
        if self.seconds_to_first is not None:
            return
        self.examples += 1
        self.steps += len(lockstep.actions)
        self.sometimes.update(lockstep.sometimes)
        if lockstep.aside:
            self.asides[lockstep.aside] += 1
        for record in lockstep.records:
            if not record.recovering:
                self.actions[type(record.action).__name__] += 1
            for event in record.events:
                self.outcomes[f"{event.operation}: {event.event}{_because(event.reason)}"] += 1
        if first_found:
            self.seconds_to_first = self.stopwatch.seconds
            self.examples_to_first = self.examples

    def see(self, state: object) -> None:
        """Count a state, and note when the last new one was met."""
        if state not in self.states:
            self.states.add(state)
            self.last_new_state = self.examples


Progress = Callable[[Tally], None]
"""Called after each example with what has been met so far."""


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


@frozen(kw_only=True)
class Search:
    """What to look for, where, and for how long. `hunted` is None where nothing should be found."""

    strategy: Strategy
    swap: Swap
    hunted: Hunt | None
    seed: int
    examples: int
    seconds_max: float | None = None


@frozen(kw_only=True)
class Result:
    """What a search found, if anything, and what it met on the way."""

    finding: Finding | None
    actions: tuple[Action, ...]
    tally: Tally
    bound_hit: bool
    sure: bool = False
    """Whether no trace with no more of anything is shorter."""
