"""The break: more retries within a window than the budget allows."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "exec-3 is retry 2 within 60s, and the budget is 1"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_003", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_003").finding
    assert finding is not None
    assert finding.got == GOT
