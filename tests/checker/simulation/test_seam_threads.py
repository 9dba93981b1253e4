"""The seam of threads: the threads of a process take turns at its boundaries and in its waits."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from failure_modes.checker.simulation.foreign import Arrival, ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_threads import DEADLOCK
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.stepped import current
from failure_modes.checker.simulation.seams.threads import ThreadsSeam
from failure_modes.checker.support.errors import SubjectError

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


def test_two_threads_take_turns_at_their_boundaries(worlds: Worlds) -> None:
    """After a boundary of one, the other goes on to its own. A hundred runs are the same."""
    seen: list[str] = []

    def body(process: ForeignContext) -> None:
        def work(name: str) -> None:
            for _ in range(3):
                process.pause(name)
                seen.append(name)

        for thread in started(lambda: work("one"), lambda: work("two")):
            thread.join()

    runs = set()
    for _ in range(100):
        world = worlds(body)
        labels = tuple(labels_of(world))
        runs.add((labels, tuple(seen)))
        seen.clear()
        world.close()
    assert runs == {
        (("one#1", "two#1", "one#2", "two#2", "one#3", "two#3"), ("one", "two") * 3),
    }


def test_the_others_go_first_where_the_schedule_stopped_a_process(worlds: Worlds) -> None:
    """So a schedule can hold a thread between two of its boundaries while another one does all its work."""

    def body(process: ForeignContext) -> None:
        def work(name: str) -> None:
            for _ in range(2):
                process.pause(name)
            time.sleep(1)

        for thread in started(lambda: work("one"), lambda: work("two")):
            thread.join()

    world = worlds(body)
    labels = [world.resume("A", task=GO).label, world.resume("A", stopped=True).label]
    labels += [world.resume("A").label for _ in range(3)]
    assert labels == ["one#1", "two#1", "two#2", "one#2", "SLEEP#1"]


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Condition", "Semaphore"])
def test_one_thread_at_a_time_has_a_lock(worlds: Worlds, kind: str) -> None:
    """The other waits at the lock while the first is paused at a boundary."""

    def body(process: ForeignContext) -> None:
        lock = getattr(threading, kind)()

        def work(name: str) -> None:
            with lock:
                process.pause(f"{name} BEGINS")
                process.pause(f"{name} ENDS")

        for thread in started(lambda: work("one"), lambda: work("two")):
            thread.join()

    assert labels_of(worlds(body)) == ["one BEGINS#1", "one ENDS#1", "two BEGINS#1", "two ENDS#1"]


@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue", "SimpleQueue"])
def test_a_queue_hands_over(worlds: Worlds, kind: str) -> None:
    """A thread that waits for an item goes on when another thread has put it."""

    def body(process: ForeignContext) -> None:
        items = getattr(queue, kind)()

        def take() -> None:
            for _ in range(2):
                process.pause(f"GOT {items.get()}")

        taker = threading.Thread(target=take)
        taker.start()
        for item in (1, 2):
            process.pause("PUT")
            items.put(item)
        taker.join()

    assert labels_of(worlds(body)) == ["PUT#1", "PUT#2", "GOT 1#1", "GOT 2#1"]


def test_sleeps_of_threads_pass_together(worlds: Worlds) -> None:
    """Time passes to the earliest end of a wait, when no thread can go on."""

    def body(process: ForeignContext) -> None:
        def work(seconds: float) -> None:
            time.sleep(seconds)
            process.pause(f"{seconds:g} s")

        for thread in started(lambda: work(30), lambda: work(10)):
            thread.join()

    world = worlds(body)
    assert labels_of(world) == ["SLEEP#1", "10 s#1", "SLEEP#2", "30 s#1"]
    assert world.now == 30_000


def test_a_wait_ends_with_its_timeout(worlds: Worlds) -> None:
    """A queue, an event, a lock and a join give up at the simulated time of their timeout."""
    seen: list[object] = []

    def body(process: ForeignContext) -> None:
        lock, never = threading.Lock(), threading.Event()
        lock.acquire()
        daemon = threading.Thread(target=never.wait, daemon=True)
        daemon.start()
        began = process.now()
        with pytest.raises(queue.Empty):
            queue.Queue[int]().get(timeout=1)
        seen.extend((never.wait(2), lock.acquire(timeout=3)))
        daemon.join(4)
        seen.extend((daemon.is_alive(), process.now() - began))

    labels_of(worlds(body))
    assert seen == [False, False, True, 10.0]


def test_a_heartbeat_goes_on_while_a_job_runs(worlds: Worlds) -> None:
    """Time that passes while a process is paused in a job wakes its other thread first."""

    def body(process: ForeignContext) -> None:
        done = threading.Event()

        def beat() -> None:
            while not done.wait(10):
                process.pause("BEAT")

        thread = threading.Thread(target=beat)
        thread.start()
        process.pause("TAKE")
        process.handle("job-1")
        process.pause("DONE")
        done.set()
        thread.join()

    world = worlds(body)
    assert world.resume("A", task=GO).label == "TAKE#1"
    in_job = world.resume("A")
    world.advance(10_000)
    beat, done = world.resume("A"), world.resume("A")
    assert [one.label for one in (in_job, beat, done)] == ["HANDLE#1", "BEAT#1", "DONE#1"]
    assert beat.ended == ()
    assert [job.key for job in done.ended] == ["job-1"]
    assert world.resume("A").where is Where.REST


def test_each_thread_has_its_own_identity_and_values(worlds: Worlds) -> None:
    """`threading.local`, made before the run or in it, `get_ident` and `current_thread` are of the thread."""
    before, found, world_has = threading.local(), [], threading.local()
    world_has.value = "kept"

    def body(process: ForeignContext) -> None:
        inside = threading.local()

        def work(name: str) -> None:
            before.name = inside.name = name
            process.pause(name)
            assert (before.name, inside.name) == (name, name)
            assert not hasattr(world_has, "value")
            found.append((threading.current_thread().name, threading.get_ident()))

        threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.ident for one in threads] == [ident for _, ident in found]
        assert not hasattr(before, "name")
        assert threading.current_thread() is threading.main_thread()

    world = worlds(body)
    arrival = world.resume("A", task=GO)
    while arrival.where is Where.BOUNDARY:
        assert world_has.value == "kept"
        assert not hasattr(before, "name")
        arrival = world.resume("A")
    assert arrival == Arrival(where=Where.REST)
    assert [name for name, _ in found] == ["one", "two"]
    assert len({ident for _, ident in found}) == 2


@pytest.mark.parametrize(
    ("label", "begun"), [("one#1", ["one"]), ("two#1", ["one", "two"]), ("SLEEP#1", ["one", "two"])]
)
def test_a_crash_ends_every_thread(worlds: Worlds, label: str, begun: list[str]) -> None:
    """Wherever the process is killed, each `finally` of its threads runs in a dead process."""
    ended: list[tuple[str, bool]] = []

    def body(process: ForeignContext) -> None:
        lock = threading.Lock()

        def work(name: str) -> None:
            try:
                with lock:
                    process.pause(name)
                time.sleep(5)
            finally:
                here = current()
                own = threading.current_thread().name == name
                ended.append((name, own and here is not None and here.dead))

        threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    world = worlds(body)
    arrival = world.resume("A", task=GO)
    while arrival.label != label:
        arrival = world.resume("A")
    world.kill("A")
    assert ended == [(name, True) for name in begun]
    assert labels_of(world)[0] == "one#1", "a fresh process has fresh threads"


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
