"""The fix: with the commit boundary the same search finds nothing, and the danger was there."""

import pytest

from failure_modes.checker.testing import prevent, prove_guarded


@pytest.mark.parametrize("breaks", ["INV_002", "INV_001"])
def test_it_holds_under_the_same_strategy(breaks: str) -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_002", seed=1, examples=200, breaks=breaks)


@pytest.mark.parametrize("breaks", ["INV_002", "INV_001"])
def test_it_holds_in_every_reachable_state(breaks: str) -> None:
    """In each scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_002", breaks=breaks)
