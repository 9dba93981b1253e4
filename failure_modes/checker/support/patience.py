"""How long something may take before it counts as stuck. No result depends on it."""

from system.clock import Stopwatch


class Patience:
    """So many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._stopwatch = Stopwatch()

    @property
    def is_over(self) -> bool:
        """True once they have passed."""
        return self._stopwatch.seconds >= self._seconds
