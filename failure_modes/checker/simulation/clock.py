"""The clock of a world: its time passes only when the schedule says so."""


class VirtualClock:
    """A clock that stands still until the world moves it. Times are whole milliseconds."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        """The time, in milliseconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Time passes for nobody who sleeps: what observes a world does not sleep."""
        raise RuntimeError(f"a sleep of {seconds:g} s outside of a process never ends")

    def advance(self, milliseconds: int) -> None:
        """Let time pass. Raises ValueError if it would go back."""
        if milliseconds < 0:
            raise ValueError(f"time does not go back: {milliseconds} ms")
        self._now += milliseconds

    def restore(self, now: int) -> None:
        """Be at a time at which a world once was."""
        self._now = now
