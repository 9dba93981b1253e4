"""The fix: with one key for all attempts the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """All attempts at a job ask the gateway under one key."""

    mode = "FM_012"
    examples = 500
