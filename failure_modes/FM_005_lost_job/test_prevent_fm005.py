"""The fix: with the late acknowledgement the same search finds nothing, and the danger was there."""

from failure_modes.checker.testing import Fix


class TestTheFix(Fix):
    """A job is closed when it was committed, and no sooner."""

    mode = "FM_005"
    examples = 200
