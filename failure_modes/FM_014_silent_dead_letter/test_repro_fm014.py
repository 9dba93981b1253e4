"""The break: a job that is given up leaves no trace."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, fail."""

    mode = "FM_014"
    got = "job-1 is FAILED and no audit row says why"
