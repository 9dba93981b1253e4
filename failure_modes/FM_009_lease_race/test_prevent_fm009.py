"""The fix: with the lease in one transaction the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """The job is looked for and leased in one transaction."""

    mode = "FM_009"
    examples = 200


class TestNoSecondCharge(Fix):
    """A gateway without keys and a right lease: no job is charged twice."""

    mode = "FM_009"
    breaks = "INV_001"
    examples = 200
