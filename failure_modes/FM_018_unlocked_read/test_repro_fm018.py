"""The break: two workers that both read a free job, unlocked, both lease it."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """An enqueue of seven steps; two leases of seven, the last step of each its commit."""

    mode = "FM_018"
    got = "job-1 is held by two executions at once"
