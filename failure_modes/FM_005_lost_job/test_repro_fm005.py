"""The break: a job that was acknowledged on receipt never comes back."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, lease, crash."""

    mode = "FM_005"
    got = "job-1 is stuck in PENDING"
