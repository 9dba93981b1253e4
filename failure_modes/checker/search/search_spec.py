"""The protocol of a search. `Search` implements it for our queue; another subject may implement it."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from attrs import field, frozen

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.run import Run
from failure_modes.checker.proof.proof import Proof
from model.actions import Action


@frozen(kw_only=True)
class RunCounts:
    """The counts of one run, for the statistics of a search."""

    steps: int
    actions: Counter[str] = field(factory=Counter)
    outcomes: Counter[str] = field(factory=Counter)
    sometimes: Counter[str] = field(factory=Counter)
    off_target: str | None = None
    """The invariant that broke instead of the target."""


class RunSource(Protocol):
    """Runs of one search, one after the other."""

    def begin(self) -> Run:
        """A new run. It ends the one before it."""
        ...

    def close(self) -> None:
        """Let go of what the runs share."""
        ...


class SearchSpec(Protocol):
    """The parameters of a search, and the operations on its runs."""

    @property
    def scope(self) -> Scope:
        """The processes, and the points at which they pause."""
        ...

    @property
    def strategy(self) -> Strategy:
        """The actions to draw from."""
        ...

    @property
    def seed(self) -> int:
        """The seed of the draws."""
        ...

    @property
    def examples(self) -> int:
        """The number of runs, at most."""
        ...

    @property
    def seconds_max(self) -> float | None:
        """The time limit of the search."""
        ...

    @property
    def needs_ending(self) -> bool:
        """True if a run can be judged only after its liveness run."""
        ...

    @property
    def proof(self) -> Proof | None:
        """The proof of the same; None if the explorer cannot be asked."""
        ...

    def runs(self) -> RunSource:
        """The runs of the search."""
        ...

    def take(self, run: Any, action: Action) -> bool:
        """Take one action. Returns False if taking it again, at once, would change nothing either."""
        ...

    def state_of(self, run: Any) -> object | None:
        """The current state of a run, as a value to count; None if states are not counted."""
        ...

    def counts_of(self, run: Any) -> RunCounts:
        """The counts of a run of this search."""
        ...

    def minimise(
        self, found: Found, check: Callable[[], None], shorter: Callable[[Found], None]
    ) -> tuple[Found, bool]:
        """The shortest trace with the same violation, and `is_minimal` of `minimise.Shortest`.

        `check` is called before each run; it raises if the search must stop. `shorter` is called with each
        shorter trace.
        """
        ...
