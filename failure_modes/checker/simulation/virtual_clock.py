"""The clock of a world. Time stands still until an action of the schedule moves it."""


class VirtualClock:
    """A clock that only the world moves. Times are whole milliseconds."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        """The time, in milliseconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Raise RuntimeError: only a process may sleep, and an observer is no process."""
        raise RuntimeError(f"a sleep of {seconds:g} s outside of a process never ends")

    def advance(self, milliseconds: int) -> None:
        """Let time pass. Raises ValueError if time would go back."""
        if milliseconds < 0:
            raise ValueError(f"time does not go back: {milliseconds} ms")
        self._now += milliseconds

    def set_back(self, milliseconds: int) -> None:
        """Go back in time. Raises ValueError if time would pass."""
        if milliseconds < 0:
            raise ValueError(f"the clock is not set back by {milliseconds} ms")
        self._now -= milliseconds

    def restore(self, now: int) -> None:
        """Set the time of a snapshot."""
        self._now = now
