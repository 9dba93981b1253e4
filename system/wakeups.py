"""An idle worker waits here for a job. A wake-up is a hint: it may be lost, and it may come without a job.

A worker looks for a job after each wait, and no wait is longer than it asked for. So nothing depends on a
wake-up but the time until a job begins.
"""

from typing import Protocol

from system.clock import Clock


class Wakeups(Protocol):
    """The waits of one worker. They begin when it is idle, and end when it works."""

    def wait(self, seconds: float) -> None:
        """Wait for a wake-up, and so long at most. Raises no StoreError."""
        ...

    def working(self) -> None:
        """The worker has a job: until it waits again, it needs no wake-up."""
        ...

    def close(self) -> None:
        """The worker has ended, for now."""
        ...


class Polling:
    """Nothing wakes the worker: it waits as long as it asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> None:
        """Wait so long."""
        self._clock.sleep(seconds)

    def working(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
