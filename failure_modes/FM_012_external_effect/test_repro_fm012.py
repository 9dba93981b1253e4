"""The break: what one job asks for is charged twice."""

from failure_modes.checker.testing import Break


class TestTheBreak(Break):
    """Enqueue; lease, start, a charge; a tick; and by the other worker a lease, a start and a charge."""

    mode = "FM_012"
    got = "what 'k1' asks for was charged 2 times"
