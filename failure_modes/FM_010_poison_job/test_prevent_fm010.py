"""The fix: with the count of leases the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """Each lease is an attempt, however it ended."""

    mode = "FM_010"
    examples = 200


class TestTheRetryBudget(Fix):
    """With a retry budget, too, each lease is an attempt; and each but the first is a retry."""

    mode = "FM_010"
    breaks = "INV_006"
    examples = 200
