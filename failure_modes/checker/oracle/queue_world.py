"""The world of a run of any queue: what a run needs of it, and the virtual one.

A world with real processes has the same methods (`real/real_queue.py`), so a run does not know which it has.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from failure_modes.checker.simulation.foreign import Arrival, Guest, Task
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.subject.adapter import Adapter, programs_of
from failure_modes.checker.subject.seams import seams_of


class HostWorld(Protocol):
    """A world, as a run sees it."""

    folder: Path
    processes: Mapping[str, Guest]

    @property
    def now(self) -> int:
        """The time, in milliseconds."""
        ...

    def resume(
        self, name: str, *, task: Task | None = None, fails: bool = False, stopped: bool = False
    ) -> Arrival:
        """Let a process go on to its next boundary."""
        ...

    def kill(self, name: str) -> None:
        """Kill a process where it is."""
        ...

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        ...

    def close(self) -> None:
        """Kill every process."""
        ...


MakeWorld = Callable[[Adapter], HostWorld]


def virtual_world(adapter: Adapter) -> ForeignWorld:
    """A world of virtual processes for a queue."""
    return ForeignWorld(
        lambda place: programs_of(adapter, place), seams_of(adapter.seams), lambda place: adapter.reset(place)
    )
