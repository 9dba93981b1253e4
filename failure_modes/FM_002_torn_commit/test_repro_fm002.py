"""The break: without one transaction for both, an effect is durable that no record tells of."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "exec-1 is IN_PROGRESS and has an effect"
"""Enqueue; lease, start, and the first half of the commit."""

THEN = "job-1 has 2 effects"
"""Enqueue; lease, start, the first half of the commit; a tick; the same three by the other worker."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_002", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_002").finding
    assert finding is not None
    assert finding.got == GOT


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_goes_on_to_a_second_effect(seed: int) -> None:
    """Where INV_002 may break on the way, the search ends at the shortest trace to INV_001."""
    finding = find("FM_002", seed=seed, breaks="INV_001").finding
    assert finding is not None
    assert finding.got == THEN


def test_no_trace_to_a_second_effect_is_shorter() -> None:
    """Of every reachable state in the scope, none has two effects after fewer actions."""
    finding = prove_broken("FM_002", breaks="INV_001").finding
    assert finding is not None
    assert finding.got == THEN
