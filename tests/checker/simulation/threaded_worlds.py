"""Worlds of two processes whose threads take turns, for the tests of the seam of threads."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from failure_modes.checker.simulation.foreign import Arrival, ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.threads import ThreadsSeam

GO = Task(name="go")
Body = Callable[[ForeignContext], object]
Worlds = Callable[[Body], ForeignWorld]


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    """Makes a world in which processes A and B run the body once for each task."""
    made: list[ForeignWorld] = []

    def make(body: Body) -> ForeignWorld:
        def program(context: ForeignContext) -> None:
            while True:
                context.next_task()
                body(context)

        def programs(_: Path) -> dict[str, Callable[[ForeignContext], None]]:
            return {"A": program, "B": program}

        made.append(ForeignWorld(programs, (ThreadsSeam(),), lambda _: None))
        return made[-1]

    yield make
    for world in made:
        world.close()


def arrivals_of(world: ForeignWorld, name: str = "A") -> list[Arrival]:
    """Where a process arrives in one task, its last arrival included."""
    found = [world.resume(name, task=GO)]
    while found[-1].where not in (Where.REST, Where.DEAD, Where.BLOCKED):
        found.append(world.resume(name))
    return found


def labels_of(world: ForeignWorld, name: str = "A") -> list[str | None]:
    """The boundaries of one task of a process, which ends at rest."""
    *inner, last = arrivals_of(world, name)
    assert last.where is Where.REST
    return [arrival.label for arrival in inner]


def started(*bodies: Callable[[], object]) -> list[threading.Thread]:
    """Threads that have started."""
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    return threads
