"""What a search asks of what it searches: our queue, or any other subject with a run that judges it."""

from collections import Counter
from typing import Any, Protocol

from attrs import field, frozen

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.run import Run


@frozen(kw_only=True)
class RunCounts:
    """What one run met, for the statistics of a search."""

    steps: int
    actions: Counter[str] = field(factory=Counter)
    outcomes: Counter[str] = field(factory=Counter)
    sometimes: Counter[str] = field(factory=Counter)
    off_target: str | None = None
    """The invariant that broke instead of the one that is searched for."""


class SearchSpec(Protocol):
    """What to look for, where, and for how long."""

    @property
    def scope(self) -> Scope:
        """Which processes there are, and where they pause."""
        ...

    @property
    def strategy(self) -> Strategy:
        """The actions to draw from."""
        ...

    @property
    def seed(self) -> int:
        """What the draws depend on."""
        ...

    @property
    def examples(self) -> int:
        """How many runs are tried."""
        ...

    @property
    def seconds_max(self) -> float | None:
        """How long the search may take."""
        ...

    @property
    def needs_ending(self) -> bool:
        """True if each run must be finished: only then can it be judged."""
        ...

    def begin(self) -> Run:
        """A fresh run."""
        ...

    def state_of(self, run: Any) -> object | None:
        """The state that a run of this search has come to, as a value to be counted; None if none counts."""
        ...

    def counts_of(self, run: Any) -> RunCounts:
        """What a run of this search met."""
        ...

    def minimise(self, found: Found) -> tuple[Found, bool]:
        """The shortest trace that breaks the same; True if every shorter one was tried."""
        ...
