"""The break: recovery ends an execution that has been ended meanwhile."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "exec-1: ABORTED -> ABORTED: ABORTED is terminal: a new attempt is a new execution"
"""Enqueue, lease, a tick; the look; a lease by the other worker; the act."""

STUCK = "job-1 is stuck in PENDING"
"""Enqueue, lease, start; the look; the commit; a tick: the act is in the recovery."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_013", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_013").finding
    assert finding is not None
    assert finding.got == GOT


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_goes_on_to_a_stuck_job(seed: int) -> None:
    """Where INV_002 and INV_003 may break on the way, the search ends at the shortest trace to INV_004."""
    finding = find("FM_013", seed=seed, breaks="INV_004").finding
    assert finding is not None
    assert finding.got == STUCK


def test_no_trace_to_a_stuck_job_is_shorter() -> None:
    """Of every reachable state in the scope, none leads to a stuck job after fewer actions."""
    finding = prove_broken("FM_013", breaks="INV_004").finding
    assert finding is not None
    assert finding.got == STUCK
