"""The break: without a fencing token a worker commits under the lease of another."""

import pytest

from failure_modes.checker.testing import SEEDS, find, prove_broken

GOT = "exec-1: ABORTED -> COMMITTED: ABORTED is terminal: a new attempt is a new execution"
"""Enqueue; lease and start by one worker; a tick; a lease by the other; the commit of the first."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_seed_finds_the_break_and_shrinks_to_the_shortest_trace(seed: int) -> None:
    """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
    finding = find("FM_006", seed=seed).finding
    assert finding is not None
    assert finding.got == GOT


def test_no_trace_is_shorter() -> None:
    """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
    finding = prove_broken("FM_006").finding
    assert finding is not None
    assert finding.got == GOT
