"""The break: without one transaction for both, an effect is durable that no record tells of."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, and the first half of the commit."""

    mode = "FM_002"
    got = "exec-1 is IN_PROGRESS and has an effect"


class TestASecondEffect(Break):
    """Enqueue; lease, start, the first half of the commit; a tick; the same three by the other worker."""

    mode = "FM_002"
    breaks = "INV_001"
    got = "job-1 has 2 effects"
