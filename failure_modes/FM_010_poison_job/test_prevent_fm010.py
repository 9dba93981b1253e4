"""The fix: with the count of leases the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_it_holds_under_the_same_strategy() -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_010", seed=1, examples=200)


def test_it_holds_in_every_reachable_state() -> None:
    """In the scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_010")


def test_it_keeps_to_the_retry_budget() -> None:
    """With a retry budget, too, nothing breaks: by the search, and in every reachable state."""
    prevent("FM_010", seed=1, examples=200, breaks="INV_006")
    prove_guarded("FM_010", breaks="INV_006")
