"""What the examples of one machine share: the runs behind them, and what these have reached.

A machine that found nothing, and never met the danger, has shown little: `end` warns of it.
"""

import warnings
from collections import Counter
from collections.abc import Mapping

from attrs import evolve

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.search.choices import reweighted
from failure_modes.checker.search.examples import Examples
from failure_modes.checker.search.judged_run import DANGERS, WEIGHTS, JudgedRuns
from failure_modes.checker.search.machine_run import MachineRun, MachineRuns
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.statistics import SearchStatistics, no_progress
from failure_modes.checker.subject.adapter import Adapter


class NeverReached(UserWarning):
    """A machine found nothing, and never met the danger. pytest's `filterwarnings` makes it an error."""


class SharedRuns:
    """The runs behind one machine. `must_reach` are the situations of which some run must meet each."""

    def __init__(self, runs: MachineRuns, must_reach: tuple[str, ...]) -> None:
        self._runs = runs
        self._must_reach = must_reach
        self._reached: Counter[str] = Counter()
        self._broken = False

    def begin(self) -> MachineRun:
        """A new run. It ends the one before it."""
        return self._runs.begin()

    def note(self, reached: Counter[str], *, broken: bool) -> None:
        """Count what a run has reached. `broken`: it found something."""
        self._reached.update(reached)
        self._broken = self._broken or broken

    def end(self, machine: str) -> None:
        """Let go of the runs, and warn if they found nothing and never met the danger."""
        self._runs.close()
        missing = [name for name in self._must_reach if not self._reached[name]]
        if missing and not self._broken:
            warnings.warn(
                f"{machine} never reached: {', '.join(missing)}; so it shows little: try more examples, or "
                "higher `weights` of the rules that lead there",
                NeverReached,
                stacklevel=2,
            )


def runs_of_adapter(
    adapter: Adapter, hunt: Hunt | None, weights: Mapping[str, int], must_reach: tuple[str, ...] | None
) -> SharedRuns:
    """The runs of any queue, with the weak model."""
    runs = JudgedRuns(adapter, hunt, {rule: weights.get(rule, usual) for rule, usual in WEIGHTS.items()})
    return SharedRuns(runs, DANGERS if must_reach is None else must_reach)


def runs_of_mode(
    mode: FailureMode, *, guarded: bool, weights: Mapping[str, int], must_reach: tuple[str, ...] | None
) -> SharedRuns:
    """The runs of our queue in lock-step with its full model, as the strategy of a failure mode says."""
    search = search_of(mode, 0, broken=not guarded)
    search = evolve(search, strategy=reweighted(search.strategy, weights))
    usual = mode.expected.must_reach if guarded else ()
    runs = Examples(search, SearchStatistics(), no_progress)
    return SharedRuns(runs, usual if must_reach is None else must_reach)
