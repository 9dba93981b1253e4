"""The fix: with backoff, budget and breaker the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_it_holds_under_the_same_strategy() -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_003", seed=1, examples=500)


def test_it_holds_in_every_reachable_state() -> None:
    """In the scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_003")
