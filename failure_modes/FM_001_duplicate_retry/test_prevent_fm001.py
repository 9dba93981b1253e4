"""The fix: with the commit boundary the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The commit boundary refuses the second commit of a job."""

    mode = "FM_001"
    examples = 1_000
