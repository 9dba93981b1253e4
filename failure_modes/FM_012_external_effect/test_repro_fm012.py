"""The break: what one job asks for is charged twice."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "what 'k1' asks for was charged 2 times"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_012", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_012").finding
    assert finding is not None
    assert finding.got == GOT
