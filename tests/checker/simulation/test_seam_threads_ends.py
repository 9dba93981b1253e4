"""The seam of threads: deadlocks, blocked threads, errors, and the event loops of threads."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from failure_modes.checker.simulation.foreign import ForeignContext, Where
from failure_modes.checker.simulation.foreign_threads import DEADLOCK
from failure_modes.checker.support.errors import SubjectError
from tests.checker.simulation.threaded_worlds import GO, Worlds, arrivals_of, labels_of, started, worlds

__all__ = ["worlds"]


def test_a_deadlock_is_the_death_of_the_process(worlds: Worlds) -> None:
    """Each of two threads has the lock that the other wants: the process says so, and a fresh one starts."""

    def body(process: ForeignContext) -> None:
        one, two = threading.Lock(), threading.Lock()

        def work(first: threading.Lock, second: threading.Lock) -> None:
            with first:
                process.pause("HERE")
                try:
                    second.acquire()
                except Exception:
                    pytest.fail("a library cannot catch the end of its process")

        for thread in started(lambda: work(one, two), lambda: work(two, one)):
            thread.join()

    world = worlds(body)
    for _ in range(2):
        last = arrivals_of(world)[-1]
        assert (last.where, last.error) == (Where.DEAD, DEADLOCK)


def test_a_wait_without_an_end_is_a_deadlock_too(worlds: Worlds) -> None:
    """The longest timeout of Python is none, and a main thread alone can wait for ever."""

    def body(_: ForeignContext) -> None:
        threading.Event().wait(threading.TIMEOUT_MAX)

    assert arrivals_of(worlds(body))[-1].error == DEADLOCK


def test_a_blocked_thread_lets_the_others_go_on(worlds: Worlds) -> None:
    """A process is blocked only if none of its threads can go on; no time passes then."""
    held = [True]

    def body(process: ForeignContext) -> None:
        def wait() -> None:
            process.pause("TAKE")
            while held[0]:
                process.block("TAKE")
            process.pause("TAKEN")

        def work() -> None:
            process.pause("ONE")
            process.pause("TWO")
            time.sleep(1)

        for thread in started(wait, work):
            thread.join()

    world = worlds(body)
    arrivals = arrivals_of(world)
    assert [one.label for one in arrivals] == ["TAKE#1", "ONE#1", "TWO#1", "TAKE#1"]
    assert (arrivals[-1].where, world.now) == (Where.BLOCKED, 0)
    held[0] = False
    assert world.resume("A").label == "TAKEN#1"


def test_a_thread_frees_another_that_is_blocked(worlds: Worlds) -> None:
    """The process is not blocked, although the thread that had the lock reaches no further boundary."""

    def body(process: ForeignContext) -> None:
        held = [True]

        def wait() -> None:
            while held[0]:
                process.block("TAKE")

        def free() -> None:
            process.pause("FREE")
            held.clear()
            held.append(False)

        for thread in started(wait, free):
            thread.join()

    assert labels_of(worlds(body)) == ["FREE#1"]


def test_processes_share_no_lock(worlds: Worlds) -> None:
    """A lock that outlives its process, in the memory of a library, is free in every other one."""
    kept: list[threading.Lock] = []

    def body(process: ForeignContext) -> None:
        if not kept:
            kept.append(threading.Lock())
        with kept[0]:
            assert not kept[0].acquire(blocking=False)
            process.pause("HELD")

    world = worlds(body)
    assert world.resume("A", task=GO).label == "HELD#1"
    assert labels_of(world, "B") == ["HELD#1"]


def test_misuse_is_an_error_as_in_python(worlds: Worlds) -> None:
    """A thread starts once and does not join itself; a free lock is not released."""
    errors: list[str] = []

    def body(_: ForeignContext) -> None:
        def join_itself() -> None:
            with pytest.raises(RuntimeError, match="cannot join current thread") as error:
                threading.current_thread().join()
            errors.append(str(error.value))

        (thread,) = started(join_itself)
        thread.join()
        for misuse in (thread.start, threading.Lock().release):
            with pytest.raises(RuntimeError) as error:
                misuse()
            errors.append(str(error.value))

    labels_of(worlds(body))
    assert errors == [
        "cannot join current thread",
        "threads can only be started once",
        "release unlocked lock",
    ]


def test_an_error_of_the_checker_ends_the_run(worlds: Worlds) -> None:
    """Whichever thread finds that a library cannot be run, the world says so."""

    def body(_: ForeignContext) -> None:
        def fail() -> None:
            raise SubjectError("this cannot be run")

        started(fail)[0].join()

    with pytest.raises(SubjectError, match="this cannot be run"):
        worlds(body).resume("A", task=GO)


def test_each_thread_may_have_its_event_loop(worlds: Worlds) -> None:
    """A thread finds its own loop and task again after the other ones had their turns."""
    seen: list[tuple[str, bool]] = []

    def body(process: ForeignContext) -> None:
        async def work(name: str) -> None:
            mine = asyncio.get_running_loop(), asyncio.current_task()
            process.pause(name)
            await asyncio.sleep(1)
            seen.append((name, mine == (asyncio.get_running_loop(), asyncio.current_task())))

        for thread in started(lambda: asyncio.run(work("one")), lambda: asyncio.run(work("two"))):
            thread.join()

    assert labels_of(worlds(body))[:2] == ["one#1", "two#1"]
    assert seen == [("one", True), ("two", True)]


@pytest.mark.parametrize("seconds", [60, None])
def test_a_thread_wakes_the_event_loop_of_another(worlds: Worlds, seconds: float | None) -> None:
    """A coroutine that a thread asks for runs at once, also if the loop has a later timer, or none."""

    def body(process: ForeignContext) -> None:
        loop = asyncio.new_event_loop()

        async def answer() -> int:
            process.pause("ANSWER")
            return 42

        def run_loop() -> None:
            if seconds is not None:
                loop.call_later(seconds, lambda: None)
            loop.run_forever()

        (thread,) = started(run_loop)
        process.pause("ASK")
        assert asyncio.run_coroutine_threadsafe(answer(), loop).result() == 42
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    world = worlds(body)
    assert "ANSWER#1" in labels_of(world)
    assert world.now == 0


def test_an_error_ends_its_thread_alone(worlds: Worlds) -> None:
    """As in a real process; an executor gives the error to the thread that asks for the result."""

    def body(process: ForeignContext) -> None:
        def fail() -> None:
            process.pause("FAIL")
            raise ZeroDivisionError

        (thread,) = started(fail)
        thread.join()
        assert not thread.is_alive()
        with ThreadPoolExecutor(2) as executor:
            failing, working = executor.submit(fail), executor.submit(process.pause, "WORK")
            assert isinstance(failing.exception(), ZeroDivisionError)
            assert working.result() is None

    assert labels_of(worlds(body)) == ["FAIL#1", "FAIL#2", "WORK#1"]


def test_a_thread_outside_of_every_process_is_a_real_one(worlds: Worlds) -> None:
    """The checker's own threads and locks are as they were, also while a world is open."""
    worlds(lambda _: None)
    idents: list[int] = []
    thread = threading.Thread(target=lambda: idents.append(threading.get_ident()))
    thread.start()
    thread.join()
    assert idents[0] not in (threading.get_ident(), 0)
    assert type(threading.Lock()).__module__ == "_thread"
