"""The fix: with the commit boundary the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_the_commit_boundary_holds_under_the_same_strategy() -> None:
    """No invariant breaks; leases expired, and commits that came late were refused."""
    result = prevent("FM_001", seed=1, examples=1_000)
    assert result.tally.sometimes["a second commit was refused"] >= 1


def test_the_commit_boundary_holds_in_every_reachable_state() -> None:
    """One job, two workers, two ticks and a crash, in every order: complete, and nothing breaks."""
    assert prove_guarded("FM_001").counts.states == 389
