"""The break: two workers that both read a free job, unlocked, both lease it."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "job-1 is held by two executions at once"
"""An enqueue of seven steps; two leases of seven, the last step of each its commit."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_018", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_018").finding
    assert finding is not None
    assert finding.got == GOT
