"""The fix: with backoff, budget and breaker the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """Backoff, retry budget and circuit breaker keep retries apart and few."""

    mode = "FM_003"
    examples = 500
