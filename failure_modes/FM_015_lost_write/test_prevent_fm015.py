"""The fix: with the store's own settings the same search finds nothing, and power was lost."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_the_policy_holds_under_the_same_strategy() -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_015", seed=1, examples=200)


def test_the_policy_holds_in_every_reachable_state() -> None:
    """In the scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_015")
