"""What a queue is judged for."""

from failure_modes.checker.campaigns.judging import hunts_of
from failure_modes.checker.oracle.deliveries import HUNTS, Kind
from tests.subjects.tables import RIGHT, RightTable


def test_a_queue_without_a_limit_is_not_judged_by_one() -> None:
    """Nothing is said of runs beyond a maximum where there is none."""
    unlimited = RightTable()
    unlimited.attempts_max = None  # type: ignore[assignment]
    assert hunts_of(RIGHT) == HUNTS
    assert set(HUNTS) - set(hunts_of(unlimited)) == {hunt for hunt in HUNTS if hunt.kind is Kind.BEYOND}
    assert {hunt.kind for hunt in hunts_of(RIGHT, (Kind.STUCK,))} == {Kind.STUCK}
