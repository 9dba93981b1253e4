"""The contract of the drivers: each has the same kind of finding, and is as honest about the rest."""

import os
import signal
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.target import DIVERGENCE, Target
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.search.drivers import DEFAULT, DRIVERS
from failure_modes.checker.search.drivers.explore import NoBounds
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.simulation.content import Unexplorable
from model.actions import Action
from tests.checker.search.test_minimise import counting
from tests.checker.torn_recovery import TORN_RECOVERY

EACH = pytest.mark.parametrize("driver", DRIVERS)
EXAMPLES = 20
"""Of a search that should find nothing."""


def _search(mode: FailureMode = TORN_RECOVERY, *, broken: bool = True, **changes: Any) -> Search:
    return evolve(search_of(mode, 0, broken=broken), bounds=mode.bounds, **changes)


def _told(result: Result) -> tuple[object, ...]:
    """Everything but the time."""
    statistics = result.statistics
    counts = statistics.examples, statistics.steps, statistics.explored, statistics.outcomes
    return result.finding, result.actions, result.is_minimal, result.stopped_early, counts


@EACH
def test_a_finding_is_one_of_the_plain_lock_step(driver: str) -> None:
    """The trace breaks the target at its last action in a fresh world, and none is shorter."""
    search = _search()
    result = run(search, driver=driver)
    again = run_actions(search.scope, search.fault, search.target, result.actions)
    assert again is not None
    assert (again.finding, again.actions) == (result.finding, result.actions)
    assert result.finding is not None
    assert (result.finding.invariant, result.finding.step) == ("INV_003", 6)
    assert (len(result.actions), result.is_minimal, result.stopped_early) == (6, True, False)
    statistics = result.statistics
    assert statistics.examples_to_first == statistics.examples >= 1
    assert statistics.seconds_to_first is not None


@EACH
@pytest.mark.parametrize("mode_id", ["FM_002", "FM_004", "FM_011", "FM_016"])
def test_a_planted_fault_is_found(driver: str, mode_id: str) -> None:
    """Also where only the ending shows it (FM_004), and where power fails (FM_016)."""
    mode = failure_mode(mode_id)
    result = run(_search(mode), driver=driver)
    assert result.finding is not None
    assert (result.finding.invariant, len(result.actions)) == (mode.breaks, mode.expected.shortest)


@EACH
def test_the_same_seed_gives_the_same_search(driver: str) -> None:
    """Two searches with one seed differ in nothing but the time."""
    assert _told(run(_search(), driver=driver)) == _told(run(_search(), driver=driver))


@pytest.mark.parametrize("driver", [driver for driver in DRIVERS if driver != "explore"])
def test_another_seed_gives_another_search(driver: str) -> None:
    """A driver that draws uses the seed."""
    searches = [_search(broken=False, seed=seed, examples=EXAMPLES) for seed in range(3)]
    assert len({run(search, driver=driver).statistics.steps for search in searches}) > 1


@EACH
def test_the_control_holds(driver: str) -> None:
    """Nothing is found without the fault; all examples were run, or all states explored."""
    result = run(_search(broken=False, examples=EXAMPLES), driver=driver)
    assert (result.finding, result.actions, result.stopped_early) == (None, (), False)
    explored = result.statistics.explored
    tried = result.statistics.examples if explored is None else explored.states
    assert tried == (EXAMPLES if driver != "explore" else TORN_RECOVERY.expected.states)


@EACH
def test_the_time_limit_ends_it_without_an_answer(driver: str) -> None:
    """A search that was stopped says so, and no finding is no answer."""
    result = run(_search(seconds_max=1e-9), driver=driver)
    assert (result.finding, result.stopped_early) == (None, True)
    assert not result.statistics.interrupted


@EACH
def test_a_signal_ends_it_without_an_answer(driver: str) -> None:
    """After an example, or after a round of the explorer, Ctrl-C ends the search."""
    seen: list[SearchStatistics] = []

    def interrupt(statistics: SearchStatistics) -> None:
        seen.append(statistics)
        os.kill(os.getpid(), signal.SIGINT)

    result = run(_search(broken=False, examples=EXAMPLES), interrupt, driver=driver)
    assert (result.finding, result.stopped_early, result.statistics.interrupted) == (None, True, True)
    assert len(seen) == 1


@EACH
def test_another_break_is_no_finding(driver: str) -> None:
    """An example that breaks another invariant first is counted, and skipped."""
    torn = failure_mode("FM_002")
    search = _search(torn, target=Target("INV_001"), examples=EXAMPLES)
    result = run(search, driver=driver)
    assert result.finding is None
    explored = result.statistics.explored
    assert result.statistics.off_target["INV_002"] or (explored is not None and explored.off_target)


@EACH
def test_a_divergence_can_be_the_target(driver: str) -> None:
    """The first divergence from the model is found, whatever breaks before it."""
    result = run(_search(target=DIVERGENCE), driver=driver)
    assert result.finding is not None
    assert result.finding.invariant is None


def test_the_explorer_that_is_asked_first_finds_it_alone() -> None:
    """Without a driver's name the explorer ends the search, and one example shows its trace."""
    result = run(_search())
    assert (len(result.actions), result.is_minimal, result.statistics.examples) == (6, True, 1)
    assert result.statistics.explored is not None


@pytest.mark.parametrize("bounds", [Bounds(jobs=1), Bounds(jobs=3, ticks=9, crashes=9, reconciles=9)])
def test_bounds_without_a_break_end_no_search(bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the explorer finds nothing, or stops early, the search goes on with the default driver."""
    monkeypatch.setattr("failure_modes.checker.search.search.EXPLORED_FIRST", 20)
    result = run(evolve(_search(), bounds=bounds))
    assert result.finding is not None
    assert (result.finding.invariant, len(result.actions)) == ("INV_003", 6)
    assert _told(result)[:2] == _told(run(_search(), driver=DEFAULT))[:2]


def test_a_system_that_cannot_be_explored_is_searched() -> None:
    """A fault that remembers something is no hindrance, unless the explorer is all that is asked."""
    search = _search(fault=counting)
    assert run(search).finding is not None
    with pytest.raises(Unexplorable):
        run(search, driver="explore")


def test_without_bounds_the_explorer_is_not_asked() -> None:
    """A search without bounds begins with the default driver; asked for, the explorer is refused."""
    search = evolve(_search(), bounds=None)
    assert run(search).statistics.explored is None
    with pytest.raises(NoBounds, match="needs the bounds of a failure mode"):
        run(search, driver="explore")


def test_an_error_of_an_example_leaves_the_driver_as_it_is() -> None:
    """Hypothesis neither wraps it nor runs the example again."""
    shown: list[Action | None] = []

    def fail(_: SearchStatistics) -> None:
        shown.append(None)
        raise OSError("the disk is full")

    for driver in ("hypothesis", "walk"):
        shown.clear()
        with pytest.raises(OSError, match="the disk is full"):
            run(_search(broken=False, examples=EXAMPLES), fail, driver=driver)
        assert len(shown) == 1
