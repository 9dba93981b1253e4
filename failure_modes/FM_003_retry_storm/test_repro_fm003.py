"""The break: more retries within a window than the budget allows."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, fail; the first retry: lease, start, fail. The second is in the recovery."""

    mode = "FM_003"
    got = "exec-3 is retry 2 within 60s, and the budget is 1"
