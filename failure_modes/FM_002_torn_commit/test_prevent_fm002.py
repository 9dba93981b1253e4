"""The fix: with the commit boundary the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The commit boundary writes the effect and its record in one transaction."""

    mode = "FM_002"
    examples = 200


class TestNoSecondEffect(Fix):
    """The same policy keeps a second effect away."""

    mode = "FM_002"
    breaks = "INV_001"
    examples = 200
