"""The fix: a lease that locks the row it reads, and passes over those that others have locked."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_it_holds_under_the_same_strategy() -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_018", seed=1, examples=50)


def test_it_holds_in_every_reachable_state() -> None:
    """In the scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_018")
