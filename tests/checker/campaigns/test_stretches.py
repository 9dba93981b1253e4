"""A search in stretches: what is found and counted does not depend on the processes that share it."""

from typing import Any

import pytest

from failure_modes.checker.campaigns import stretches
from failure_modes.checker.campaigns.stretches import WithGiven, run_in_stretches
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.search.search import Result, Search
from failure_modes.checker.search.statistics import no_progress
from failure_modes.checker.subject.absent_policies import ABSENT
from failure_modes.checker.support.process_pool import Pool, WorkPool


def _as_drawn(scope: Scope) -> Scope:
    return scope


def _result(fault: Fault, given: WithGiven | None, pool: WorkPool | None) -> tuple[Result, Scope]:
    search = Search(
        scope=Scope().with_each_tick(),
        strategy=UNRESTRICTED,
        fault=fault,
        target=None,
        seed=3,
        examples=32,
    )
    return run_in_stretches(search, given, no_progress, pool=pool)


def _seen(result: Result, scope: Scope) -> tuple[Any, ...]:
    """All that is shown of a search."""
    counted = result.statistics
    counts = (counted.examples, counted.steps, len(counted.states), counted.last_new_state)
    named = (counted.actions, counted.outcomes, counted.sometimes, counted.examples_to_first)
    return scope, result.finding, result.actions, *counts, *named


@pytest.mark.parametrize("given", [None, _as_drawn], ids=["the same settings", "random settings"])
def test_processes_that_share_a_search_change_nothing(
    given: WithGiven | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes find and count what one finds and counts, with a finding and without one."""
    monkeypatch.setattr(stretches, "STRETCH", 8)
    monkeypatch.setattr(stretches, "RANDOM_STRETCH", 8)
    with Pool(2) as pool:
        for fault, found in ((guarded, False), (ABSENT["fence"], True)):
            alone, shared = _result(fault, given, None), _result(fault, given, pool)
            assert _seen(*shared) == _seen(*alone)
            assert (alone[0].finding is not None) is found
