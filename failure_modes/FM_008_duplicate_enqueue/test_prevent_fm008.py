"""The fix: with the idempotency key the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The idempotency key gives the second enqueue the job of the first."""

    mode = "FM_008"
    examples = 200
