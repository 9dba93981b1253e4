"""Time. Nothing else in this project reads it.

Three kinds are kept apart: a `Clock` gives the time that leases are judged by, in whole milliseconds since
the epoch; a `Stopwatch` measures how long our own work took, and never reaches a result; `monotonic` says
when a process does something next.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The time that leases are judged by."""

    def now(self) -> int:
        """The time, in milliseconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The time, in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> int:
        """The time, in milliseconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance by so many seconds, at once."""
        self.advance(round(seconds * 1000))

    def advance(self, milliseconds: int) -> None:
        """Let time pass. Raises ValueError if it would go back."""
        if milliseconds < 0:
            raise ValueError(f"time does not go back: {milliseconds} ms")
        self._now += milliseconds


class Stopwatch:
    """Seconds since it was made, on a clock that never jumps."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._start


def monotonic() -> float:
    """Seconds since some moment, on a clock that never jumps."""
    return time.monotonic()


def utc(milliseconds: int) -> str:
    """A time of a clock as text, in UTC: `2024-02-29 23:59:59.999Z`.

    A value that is no time with a date is returned as it is, as text.
    """
    try:
        seconds, rest = divmod(milliseconds, 1000)
        return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%d %H:%M:%S}.{rest:03}Z"
    except (TypeError, ValueError, OverflowError, OSError):
        return str(milliseconds)
