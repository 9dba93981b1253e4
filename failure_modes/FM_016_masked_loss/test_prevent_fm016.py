"""The fix: with either policy the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A lease brings the job back, and the retry policy buries it with an audit row."""

    mode = "FM_016"
    examples = 200
