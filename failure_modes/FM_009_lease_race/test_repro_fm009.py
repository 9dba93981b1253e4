"""The break: two workers that both saw a free job both lease it."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "job-1 is held by two executions at once"
"""Enqueue; two looks; two leases."""

CHARGED = "what 'k1' asks for was charged 2 times"
"""Enqueue; two looks; and by each worker a lease, a start and a call."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_009", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_009").finding
    assert finding is not None
    assert finding.got == GOT


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_goes_on_to_a_second_charge(seed: int) -> None:
    """Where INV_003 may break on the way, the search ends at the shortest trace to INV_001."""
    finding = find("FM_009", seed=seed, breaks="INV_001").finding
    assert finding is not None
    assert finding.got == CHARGED


def test_no_trace_to_a_second_charge_is_shorter() -> None:
    """Of every reachable state in the scope, none has two charges after fewer actions."""
    finding = prove_broken("FM_009", breaks="INV_001").finding
    assert finding is not None
    assert finding.got == CHARGED
