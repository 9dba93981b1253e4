"""The break: two workers that both saw a free job both lease it."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; two looks; two leases."""

    mode = "FM_009"
    got = "job-1 is held by two executions at once"


class TestASecondCharge(Break):
    """Enqueue; two looks; and by each worker a lease, a start and a call."""

    mode = "FM_009"
    breaks = "INV_001"
    got = "what 'k1' asks for was charged 2 times"
