"""The seam of asyncio: each process has an event loop of its own, on the simulated clock."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.simulation.foreign import ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.event_loop import ProcessLoop, exchanged
from failure_modes.checker.simulation.seams.stepped import current

GO = Task(name="go")
Body = Callable[[ForeignContext], Coroutine[Any, Any, object]]
Run = Callable[[Body], list[str]]


@pytest.fixture
def worlds() -> Iterator[Callable[[Body], ForeignWorld]]:
    """Makes a world in which processes A and B run the body once for each task."""
    made: list[ForeignWorld] = []

    def make(body: Body) -> ForeignWorld:
        def program(context: ForeignContext) -> None:
            while True:
                context.next_task()
                context.run(body(context))

        def programs(_: Path) -> dict[str, Callable[[ForeignContext], None]]:
            return {"A": program, "B": program}

        made.append(ForeignWorld(programs, (), lambda _: None))
        return made[-1]

    yield make
    for world in made:
        world.close()


def labels_of(world: ForeignWorld, name: str) -> list[str | None]:
    """The boundaries of one task of a process."""
    found: list[str | None] = []
    arrival = world.resume(name, task=GO)
    while arrival.where not in (Where.REST, Where.DEAD):
        found.append(arrival.label)
        arrival = world.resume(name)
    return found


def test_a_sleep_lets_simulated_time_pass(worlds: Callable[[Body], ForeignWorld]) -> None:
    """Two sleeps at once take the longer one; no real time passes."""

    async def body(_: ForeignContext) -> None:
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))

    world = worlds(body)
    assert labels_of(world, "A") == ["SLEEP#1", "SLEEP#2"]
    assert world.now == 3_600_000


def test_two_loops_alternate_in_one_thread(worlds: Callable[[Body], ForeignWorld]) -> None:
    """While A is paused in a task, B runs its own loop; then A finds its own loop and task again."""
    seen: list[tuple[str, bool]] = []

    async def body(process: ForeignContext) -> None:
        before = asyncio.get_running_loop(), asyncio.current_task()
        process.pause("HERE")
        await asyncio.sleep(0)
        seen.append((process.name, before == (asyncio.get_running_loop(), asyncio.current_task())))

    world = worlds(body)
    world.resume("A", task=GO)
    assert labels_of(world, "B") == ["HERE#1"]
    assert world.resume("A").where is Where.REST
    assert seen == [("B", True), ("A", True)]


def test_a_background_task_stays_from_task_to_task(worlds: Callable[[Body], ForeignWorld]) -> None:
    """The loop lives as long as the process: what one task began goes on in the next."""
    events: list[str] = []
    kept: list[asyncio.Task[None]] = []

    async def background() -> None:
        await asyncio.sleep(1)
        events.append("background")

    async def body(_: ForeignContext) -> None:
        if kept:
            await kept[0]
        else:
            kept.append(asyncio.get_running_loop().create_task(background()))
        events.append("task")

    world = worlds(body)
    labels_of(world, "A")
    labels_of(world, "A")
    assert events == ["task", "background", "task"]


@pytest.mark.parametrize("in_a_task", [False, True])
def test_a_killed_process_does_nothing_more(worlds: Callable[[Body], ForeignWorld], in_a_task: bool) -> None:
    """Each `finally` of each task runs while the process is known to be dead: every seam raises there."""
    done: list[str] = []

    def clean_up(name: str) -> None:
        process = current()
        if process is None or not process.dead:  # a seam would pass the call on
            done.append(name)

    async def other() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            clean_up("other")

    async def main(process: ForeignContext) -> None:
        try:
            process.pause("HERE")
        finally:
            clean_up("main")

    async def body(process: ForeignContext) -> None:
        tasks = [asyncio.ensure_future(other())]
        await asyncio.sleep(0)
        await (asyncio.ensure_future(main(process)) if in_a_task else main(process))
        await asyncio.gather(*tasks)

    world = worlds(body)
    world.resume("A", task=GO)
    world.processes["A"].kill()
    gc.collect()
    assert done == []
    assert world.resume("A", task=GO).label == "HERE#1", "a fresh process has a fresh loop"


def test_answers_come_in_the_order_of_the_questions(worlds: Callable[[Body], ForeignWorld]) -> None:
    """Not in the order in which a server gives them, and only when no other task can go on."""
    seen: list[str] = []

    async def answer(name: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        if name == "error":
            raise ZeroDivisionError
        return name

    async def ask(name: str, turns: int) -> None:
        try:
            seen.append(await exchanged(answer(name, turns)))
        except ZeroDivisionError:
            seen.append("an error")

    async def busy() -> None:
        for _ in range(9):
            await asyncio.sleep(0)
        seen.append("busy")

    async def body(_: ForeignContext) -> None:
        await asyncio.gather(ask("slow", 5), ask("fast", 0), ask("error", 2), busy())
        seen.append(await exchanged(answer("last", 0)))

    assert labels_of(worlds(body), "A") == []
    assert seen == ["busy", "slow", "fast", "an error", "last"]


def test_a_loop_without_a_timer_is_blocked(worlds: Callable[[Body], ForeignWorld]) -> None:
    """A process that waits for nothing it can do itself waits for the others."""

    async def body(_: ForeignContext) -> None:
        await asyncio.Event().wait()

    world = worlds(body)
    assert world.resume("A", task=GO).where is Where.BOUNDARY
    assert world.resume("A").where is Where.BLOCKED


def test_a_library_that_asks_for_a_loop_or_a_thread_gets_them(
    worlds: Callable[[Body], ForeignWorld],
) -> None:
    """`asyncio.new_event_loop` gives a loop on the simulated clock; `to_thread` runs in the process."""
    found: list[object] = []

    async def body(process: ForeignContext) -> None:
        loop = asyncio.new_event_loop()
        found.append(isinstance(loop, ProcessLoop))
        loop.close()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, found.clear)
        await asyncio.to_thread(process.pause, "IN A THREAD")

    world = worlds(body)
    assert labels_of(world, "A") == ["IN A THREAD#1"]
    assert found == [True]
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL, "no signal reaches a virtual process"
