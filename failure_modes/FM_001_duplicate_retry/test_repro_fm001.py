"""The break: without the commit boundary a job is executed twice."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

SHORTEST = 8
"""Enqueue; lease, start, commit by one worker and by another; and a tick between, for the second lease."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_second_effect_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks INV_001 whatever its seed, and ends at a trace of the same, shortest length."""
    result = find("FM_001", seed=seed)
    assert result.finding is not None
    assert (result.finding.invariant, result.finding.step) == ("INV_001", SHORTEST)
    assert result.finding.got == "job-1 has 2 effects"
    assert len(result.actions) == SHORTEST


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks INV_001 after fewer actions."""
    assert prove_broken("FM_001").shortest == SHORTEST
