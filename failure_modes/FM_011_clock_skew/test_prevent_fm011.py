"""The fix: with the one clock the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A lease is judged by the store's clock alone."""

    mode = "FM_011"
    examples = 200
