"""The break: a job that is closed later than it ends is leased after it has ended."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "job-1 is SUCCEEDED, which is terminal, and was leased again"
"""Enqueue; lease, start, commit, finish; a tick; a lease."""

STUCK = "job-1 is stuck in PENDING"
"""Enqueue, lease, start, a tick: the rest is recovery, in which the commit comes too late."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_007", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_007").finding
    assert finding is not None
    assert finding.got == GOT


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_a_stuck_job(seed: int) -> None:
    """The search for INV_004 ends at a trace as short as any, whatever its seed."""
    finding = find("FM_007", seed=seed, breaks="INV_004").finding
    assert finding is not None
    assert finding.got == STUCK


def test_no_trace_to_a_stuck_job_is_shorter() -> None:
    """Of every reachable state in the scope, none leads to a stuck job after fewer actions."""
    finding = prove_broken("FM_007", breaks="INV_004").finding
    assert finding is not None
    assert finding.got == STUCK
