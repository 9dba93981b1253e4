"""The fix: with look and act in one transaction the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """Recovery looks and acts in one transaction."""

    mode = "FM_013"
    examples = 200
