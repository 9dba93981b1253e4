"""The break: a journal whose removal was never synced comes back and undoes the commit."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, power loss."""

    mode = "FM_017"
    got = "job-1 is gone"
