"""What a virtual process asks of the world that it is in."""

from typing import Any, Protocol

from greenlet import greenlet

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.clock import VirtualClock
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.stepping import SteppingConnection
from failure_modes.checker.simulation.subject import Subject


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
