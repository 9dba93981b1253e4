"""The break: without a fencing token a worker commits under the lease of another."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease and start by one worker; a tick; a lease by the other; the commit of the first."""

    mode = "FM_006"
    got = "exec-1: ABORTED -> COMMITTED: ABORTED is terminal: a new attempt is a new execution"
