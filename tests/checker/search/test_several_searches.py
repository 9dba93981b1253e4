"""Several searches for one trace: when they end, and what they count together."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.search import search as search_module
from failure_modes.checker.search.examples import Examples, TimeLimitReached
from failure_modes.checker.search.search import Search, _agreed
from failure_modes.checker.search.search_spec import RunCounts
from failure_modes.checker.search.statistics import SearchStatistics
from model.actions import Tick

FINDING = Finding(invariant="INV_001", step=1, expected="one", got="two")
SEARCH = Search(scope=Scope(), strategy=UNRESTRICTED, fault=guarded, target=None, seed=7, examples=1)


def _found(length: int) -> Found:
    return Found(FINDING, (Tick(seconds=1),) * length)


def _result(length: int | None, *, stopped: bool = False, interrupted: bool = False) -> Any:
    found = None if length is None else _found(length)
    return SimpleNamespace(
        finding=found and found.finding,
        actions=found.actions if found else (),
        stopped_early=stopped,
        statistics=SimpleNamespace(interrupted=interrupted),
    )


def _agree(monkeypatch: pytest.MonkeyPatch, *results: Any, searches: int) -> tuple[int, list[int], list[int]]:
    """The length at the end, after one of 5; the seeds of the searches; the lengths that were shorter."""
    left, seeds, shorter = iter(results), list[int](), list[int]()

    def run(search: Search, progress: object, *, driver: str | None, searches: int) -> Any:
        assert (progress, driver, searches) == ("progress", "walk", 1)
        seeds.append(search.seed)
        return next(left)

    monkeypatch.setattr(search_module, "run", run)
    examples: Any = SimpleNamespace(
        progress="progress", shorter=lambda found: shorter.append(len(found.actions))
    )
    found = _agreed(_found(5), SEARCH, searches, cast(Examples, examples), "walk")
    assert found.finding == FINDING
    return len(found.actions), seeds, shorter


def test_they_end_when_two_have_the_same_shortest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that finds nothing, or a longer trace, decides nothing."""
    results = [_result(length) for length in (None, 7, 4, 4, 3)]
    assert _agree(monkeypatch, *results, searches=9) == (4, [1_007, 2_007, 3_007, 4_007], [4])
    assert _agree(monkeypatch, _result(5), searches=9) == (5, [1_007], [])


def test_they_end_after_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one counts."""
    results = [_result(length) for length in (4, 3, 2)]
    assert _agree(monkeypatch, *results, searches=3) == (3, [1_007, 2_007], [4, 3])
    assert _agree(monkeypatch, searches=1) == (5, [], [])


def test_a_search_that_was_stopped_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a signal, or by the limit of time."""
    with pytest.raises(KeyboardInterrupt):
        _agree(monkeypatch, _result(4, stopped=True, interrupted=True), searches=9)
    with pytest.raises(TimeLimitReached):
        _agree(monkeypatch, _result(4, stopped=True), searches=9)


def _counts(*states: str, steps: int) -> SearchStatistics:
    """The statistics of a search that saw one state in each example."""
    statistics = SearchStatistics()
    for state in states:
        statistics.add(
            RunCounts(
                steps=steps,
                actions=dict.fromkeys(("Step",), steps),  # type: ignore[arg-type]
                outcomes={"lease": 1},  # type: ignore[arg-type]
                sometimes={"a lease expired": 2},  # type: ignore[arg-type]
                off_target="INV_003",
            ),
            None,
        )
        statistics.see(state)
    return statistics


def test_a_later_search_is_counted_after_the_first() -> None:
    """A state that both saw is of the first; the last new state is of the last example that saw one."""
    together = _counts("a", "b", steps=3)
    together.absorb(_counts("b", "c", "c", steps=5))
    assert (together.examples, together.steps) == (5, 21)
    assert together.states == {"a": 1, "b": 2, "c": 4}
    assert together.last_new_state == 4
    assert (together.actions["Step"], together.outcomes["lease"]) == (21, 5)
    assert (together.sometimes["a lease expired"], together.off_target["INV_003"]) == (10, 5)
    assert (together.stopped_early, together.interrupted) == (False, False)
    stopped = SearchStatistics()
    stopped.stopped_early = stopped.interrupted = True
    together.absorb(stopped)
    assert (together.stopped_early, together.interrupted) == (True, True)
    together.absorb(SearchStatistics())
    assert (together.stopped_early, together.interrupted) == (True, True)
