"""The fix: with the fencing token the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The fencing token refuses a worker whose lease went to another."""

    mode = "FM_006"
    examples = 200
