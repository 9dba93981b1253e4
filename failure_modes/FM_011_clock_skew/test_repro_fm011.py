"""The break: a worker whose clock runs ahead takes a live lease."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; a lease; a lease by the worker whose clock runs ahead."""

    mode = "FM_011"
    got = "exec-1: expired by B while A holds a live lease"
