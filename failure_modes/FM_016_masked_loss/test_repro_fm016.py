"""The break: without leases and without burials a job fails without an audit row."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, lease, crash."""

    mode = "FM_016"
    got = "job-1 is FAILED and no audit row says why"
