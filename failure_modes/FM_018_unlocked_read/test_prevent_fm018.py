"""The fix: a lease that locks the row it reads, and passes over those that others have locked."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A lease locks the row that it reads."""

    mode = "FM_018"
    examples = 50
