"""The break: without leases and without burials a job ends, and nobody is told."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, lease, crash."""

    mode = "FM_016"
    got = "job-1 is FAILED and no audit row says why"
