"""The fix: with the store's own settings the same search finds nothing, and power was lost."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The store keeps a write-ahead log, and tells the disk to keep it."""

    mode = "FM_017"
    examples = 200
