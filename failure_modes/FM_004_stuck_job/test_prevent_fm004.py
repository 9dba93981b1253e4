"""The fix: with the lease that runs out the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A lease runs out, and the job of a dead worker comes back."""

    mode = "FM_004"
    examples = 200
