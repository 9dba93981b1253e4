"""The break: a job that is closed later than it ends is leased after it has ended."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, commit, finish; a tick; a lease."""

    mode = "FM_007"
    got = "job-1 is SUCCEEDED, which is terminal, and was leased again"


class TestAStuckJob(Break):
    """Enqueue, lease, start, a tick: the rest is recovery, in which the commit comes too late."""

    mode = "FM_007"
    breaks = "INV_004"
    got = "job-1 is stuck in PENDING"
