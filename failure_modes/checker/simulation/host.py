"""The world, as its virtual processes see it. This protocol keeps `process` from importing `world`."""

from typing import Protocol

from greenlet import greenlet

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.database import Database
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.simulation.world_content import WorldContent


class Host(Protocol):
    """The world, as one of its processes sees it."""

    subject: Subject
    granularity: Granularity
    clock: VirtualClock
    hub: greenlet
    """The greenlet that runs while a process is paused."""
    gateway: Gateway | None
    restorable: bool
    reusable: bool
    keeps_connections: bool
    """True if the next process of the same name uses the connection of the one before it."""
    records_answers: bool
    """True if the log of a process keeps only the answer of an operation that has returned."""

    @property
    def database(self) -> Database:
        """The database, where each process opens connections."""
        ...

    @property
    def content(self) -> WorldContent:
        """The rows of the database and of the gateway."""
        ...

    @property
    def timeline(self) -> int:
        """How often the store was set back."""
        ...

    @property
    def lock_releases(self) -> int:
        """How often a lock was released."""
        ...

    def release_locks(self, times: int = 1) -> None:
        """Let each process that waits for a lock try again."""
        ...
