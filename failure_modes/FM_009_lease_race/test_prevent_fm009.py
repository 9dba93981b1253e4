"""The fix: with the lease in one transaction the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import prevent, prove_guarded


def test_it_holds_under_the_same_strategy() -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_009", seed=1, examples=200)


def test_it_holds_in_every_reachable_state() -> None:
    """In the scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_009")


def test_without_the_race_nothing_is_charged_twice() -> None:
    """A gateway without keys and a right lease: nobody charges twice, by the search and in every state."""
    prevent("FM_009", seed=1, examples=200, breaks="INV_001")
    prove_guarded("FM_009", breaks="INV_001")
