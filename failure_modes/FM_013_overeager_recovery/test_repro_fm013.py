"""The break: recovery ends an execution that has been ended meanwhile."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue, lease, a tick; the look; a lease by the other worker; the act."""

    mode = "FM_013"
    got = "exec-1: ABORTED -> ABORTED: ABORTED is terminal: a new attempt is a new execution"


class TestAStuckJob(Break):
    """Enqueue, lease, start; the look; the commit; a tick: the act is in the recovery."""

    mode = "FM_013"
    breaks = "INV_004"
    got = "job-1 is stuck in PENDING"
