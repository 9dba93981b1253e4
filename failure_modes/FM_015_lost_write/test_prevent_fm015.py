"""The fix: with the store's own settings the same search finds nothing, and power was lost."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The store tells the disk to keep each commit before it answers."""

    mode = "FM_015"
    examples = 200
