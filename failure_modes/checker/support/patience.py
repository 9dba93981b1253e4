"""A time limit after which something counts as stuck. No result of the checker depends on it."""

from system.clock import Stopwatch


class Patience:
    """A time limit that starts now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopwatch = Stopwatch()

    @property
    def is_over(self) -> bool:
        """True if the time has passed."""
        return self._stopwatch.seconds >= self._seconds
