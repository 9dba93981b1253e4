"""The fix: with the commit boundary the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import prevent


def test_the_commit_boundary_holds_under_the_same_strategy() -> None:
    """No invariant breaks; leases expired, and commits that came late were refused."""
    result = prevent("FM_001", seed=1, examples=1_000)
    assert result.tally.sometimes["a second commit was refused"] >= 1
