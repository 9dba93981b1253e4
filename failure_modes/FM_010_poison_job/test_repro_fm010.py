"""The break: a job that kills each worker is never given up."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.testing import SEEDS, find, prove_broken
from model.actions import Enqueue
from model.state import JobState

GOT = "job-1 is stuck in RUNNING"
"""Enqueue a poison job: everything after that is recovery."""

BEYOND = "exec-3 is retry 2 within 60s, and the budget is 1"
"""Enqueue a poison job: the second retry comes in the recovery."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_010", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_010").finding
    assert finding is not None
    assert finding.got == GOT


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_goes_beyond_the_retry_budget(seed: int) -> None:
    """With a retry budget the search for INV_006 ends at a trace as short as any, whatever its seed."""
    finding = find("FM_010", seed=seed, breaks="INV_006").finding
    assert finding is not None
    assert finding.got == BEYOND


def test_no_trace_beyond_the_retry_budget_is_shorter() -> None:
    """With a retry budget no reachable state in the scope leads beyond it after fewer actions."""
    finding = prove_broken("FM_010", breaks="INV_006").finding
    assert finding is not None
    assert finding.got == BEYOND


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_behind_it_is_done_all_the_same(workers: int) -> None:
    """The poison job takes workers from those behind it, and not their turn: its lease hides it."""
    mode = failure_mode("FM_010")
    scope = evolve(mode.strategy.scope, workers=workers)
    with Lockstep(scope, mode.swap, target=mode.hunt) as lockstep:
        for action in (Enqueue(key="p1"), Enqueue(key="k1")):
            lockstep.apply(action)
        with pytest.raises(Violation):
            lockstep.finish()
        assert lockstep.durable.job_state(1) is JobState.RUNNING
        assert lockstep.durable.job_state(2) is JobState.SUCCEEDED
