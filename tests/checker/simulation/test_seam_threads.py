"""The seam of threads: the threads of a process take turns at its boundaries and in its waits."""

import queue
import threading
import time

import pytest

from failure_modes.checker.simulation.foreign import Arrival, ForeignContext, Where
from failure_modes.checker.simulation.seams.stepped import current
from tests.checker.simulation.threaded_worlds import GO, Worlds, labels_of, started, worlds

__all__ = ["worlds"]


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
