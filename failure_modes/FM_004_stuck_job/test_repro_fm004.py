"""The break: a job whose worker died stays RUNNING."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, lease, crash."""

    mode = "FM_004"
    got = "job-1 is stuck in RUNNING"
