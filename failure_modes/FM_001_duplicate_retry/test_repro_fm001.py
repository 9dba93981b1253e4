"""The break: without the commit boundary a job is executed twice."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, commit by one worker; a tick; and the same three steps by the other."""

    mode = "FM_001"
    got = "job-1 has 2 effects"
