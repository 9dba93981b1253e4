"""What a virtual process asks of the world that it is in."""

from typing import Any, Protocol

from greenlet import greenlet

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.stepping import Ran, SteppingConnection
from system.clock import ManualClock
from system.queue import Queue


class Host(Protocol):
    """The world, as one of its processes sees it."""

    scope: Scope
    clock: ManualClock
    hub: greenlet
    """Where a process that pauses hands over."""
    gateway: Gateway | None
    restorable: bool
    forgets: bool
    """Whether a process remembers of an operation of the queue only what it answered."""
    releases: int
    """How often a lock was released."""
    changed: bool
    told: bool

    def settle(self) -> None:
        """Let the store be what it was restored to. Called before it is used."""
        ...

    def queue(self, process: Any) -> Queue:
        """The system as this process sees it."""
        ...

    def connection(self, process: Any, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        ...

    def unexplorable(self, ran: Ran) -> Exception | None:
        """Why a world in which this ran cannot be restored; None if it can, or need not."""
        ...
