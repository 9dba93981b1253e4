"""The clock of a world. Time stands still until an action of the schedule moves it."""


class VirtualClock:
    """A clock that only the world moves. Times are whole milliseconds."""

    def __init__(self) -> None:
        self._now = 0
        self._skews: dict[str, int] = {}

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

    def skew(self, process: str) -> int:
        """How far the clock of that process is ahead of this one, in milliseconds."""
        return self._skews.get(process, 0)

    def set_skew(self, process: str, milliseconds: int) -> None:
        """Let the clock of that process alone be so far ahead, or behind."""
        self._skews[process] = milliseconds

    @property
    def skews(self) -> tuple[tuple[str, int], ...]:
        """Each process whose clock differs, and by how much."""
        return tuple([(name, skew) for name, skew in sorted(self._skews.items()) if skew])

    def restore(self, now: int, skews: tuple[tuple[str, int], ...] = ()) -> None:
        """Set the time of a snapshot, and the clocks that differ from it."""
        self._now, self._skews = now, dict(skews)
