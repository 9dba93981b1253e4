"""The fix: with the audit row of the burial the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A burial has its audit row."""

    mode = "FM_014"
    examples = 200
