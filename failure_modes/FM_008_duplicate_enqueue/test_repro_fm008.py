"""The break: without a key what was asked for twice is done twice."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Two enqueues; lease, start, commit, finish; lease, start, commit."""

    mode = "FM_008"
    got = "what 'k1' asks for was done by 2 jobs"
