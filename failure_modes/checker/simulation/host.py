"""What a virtual process asks of the world that it is in; and the clock of that world."""

from typing import Any, Protocol

from greenlet import greenlet

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.stepping import SteppingConnection
from failure_modes.checker.simulation.subject import Subject


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


class Host(Protocol):
    """The world, as one of its processes sees it."""

    subject: Subject
    granularity: Granularity
    clock: VirtualClock
    hub: greenlet
    """Where a process that pauses hands over."""
    gateway: Gateway | None
    restorable: bool
    forgets: bool
    """Whether a process remembers of an operation only what it answered."""

    @property
    def releases(self) -> int:
        """How often a lock was released."""
        ...

    def release_locks(self, times: int = 1) -> None:
        """Whoever waits for a lock may try again."""
        ...

    def note_commit(self) -> None:
        """Something was committed, and an audit row may tell of it."""
        ...

    def settle(self) -> None:
        """Let the database be what it was restored to. Called before it is used."""
        ...

    def open(self, process: Any) -> Any:
        """The system as this process has it."""
        ...

    def connection(self, process: Any, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        ...
