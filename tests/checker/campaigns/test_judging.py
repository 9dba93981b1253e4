"""What a queue is judged for."""

from typing import Any

from failure_modes.checker.campaigns.judging import hunts_of
from failure_modes.checker.oracle.deliveries import HUNTS, Kind
from tests.subjects.tables import RIGHT, RightTable


class Unlimited(RightTable):
    """A job may run as often as it needs."""

    attempts_max: Any = None


def test_a_queue_without_a_limit_is_not_judged_by_one() -> None:
    """Nothing is said of runs beyond a maximum where there is none."""
    unlimited = Unlimited()
    assert hunts_of(RIGHT) == HUNTS
    assert set(HUNTS) - set(hunts_of(unlimited)) == {hunt for hunt in HUNTS if hunt.kind is Kind.BEYOND}
    assert {hunt.kind for hunt in hunts_of(RIGHT, (Kind.STUCK,))} == {Kind.STUCK}
