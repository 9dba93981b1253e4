"""The break: a commit that was never synced is gone after a power loss."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, power loss."""

    mode = "FM_015"
    got = "job-1 is gone"
