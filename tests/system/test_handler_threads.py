"""Handlers with threads: each thread may use the context, and none is broken off but the handler's own."""

import os
import signal
import threading

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.reporting import OutageReport
from system.signals import interrupting
from system.store import Job, StoreUnavailable
from system.worker import Context, Released, Worker
from tests.system.databases import Database
from tests.system.handler_threads import PATIENCE_SECONDS, Beating
from tests.system.test_worker import details, worker


def test_a_thread_of_the_handler_may_extend_the_lease(queue: Queue, clock: ManualClock) -> None:
    """A handler that works for longer than its lease, while a thread of it beats, commits its effect."""

    def handler(_: Job, context: Context) -> None:
        for wait in (29_999, 29_999, 29_999):
            clock.advance(wait)
            beating = Beating(context.heartbeat)
            beating.start()
            assert beating.ended() == [True]
        writing = Beating(lambda: context.write(context.attempt))
        writing.start()
        assert writing.ended() == [None]

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    assert details(queue) == []
    assert [effect.value for effect in queue.store.effects()] == ["1"]
    assert [row.event for row in queue.store.audit()].count("extended") == 3


def test_a_thread_that_is_left_behind_changes_nothing(queue: Queue, clock: ManualClock) -> None:
    """After its handler has returned it gets False, without a question to the store, and cannot write."""
    returned = threading.Event()
    left: list[Beating] = []

    def handler(_: Job, context: Context) -> None:
        def late() -> tuple[bool, object]:
            returned.wait(PATIENCE_SECONDS)
            beat = context.heartbeat()
            with pytest.raises(RuntimeError, match="the handler has returned") as raised:
                context.write("late")
            return beat, raised.type

        left.append(Beating(late))
        left[0].start()

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    before = list(queue.store.audit())
    returned.set()
    assert left[0].ended() == [(False, RuntimeError)]
    assert list(queue.store.audit()) == before
    assert [effect.value for effect in queue.store.effects()] == ["null"]


def test_a_signal_during_a_threads_heartbeat_releases_the_handler(
    queue: Queue, clock: ManualClock, database: Database
) -> None:
    """The second SIGTERM, while a thread beats, raises in the handler's thread; the heartbeat ends well."""

    class Signalling(ManualClock):
        def now(self) -> int:
            if threading.current_thread() is not threading.main_thread():
                os.kill(os.getpid(), signal.SIGTERM)
            return super().now()

    beating: list[Beating] = []
    raised: list[BaseException] = []

    def handler(_: Job, context: Context) -> None:
        beating.append(Beating(context.heartbeat))
        released.interrupt()  # as the first signal does
        try:
            beating[0].start()
            threading.Event().wait(PATIENCE_SECONDS)
        except BaseException as error:
            raised.append(error)
            raise

    mine = database.open(clock=Signalling(clock.now()))
    released = Worker(Queue(store=mine), handler, name="A", clock=clock)
    queue.enqueue(1)
    with interrupting(released):
        released.run()
    assert [type(error) for error in raised] == [Released]
    assert beating[0].ended() == [True]
    assert details(queue) == ["Released: the worker was interrupted"]
    mine.close()


def test_a_thread_that_waits_for_the_store_ends_with_its_handler(queue: Queue) -> None:
    """While the store cannot be used a heartbeat tries again, and is False once the handler has returned."""
    returned = threading.Event()
    tried = threading.Event()
    left: list[Beating] = []

    class Waiting(ManualClock):
        def sleep(self, _: float) -> None:
            tried.set()
            returned.wait(PATIENCE_SECONDS)

    class Away(Queue):
        def heartbeat(self, *_: object) -> bool:
            raise StoreUnavailable("away")

    def handler(_: Job, context: Context) -> None:
        left.append(Beating(context.heartbeat))
        left[0].start()
        assert tried.wait(PATIENCE_SECONDS)

    told: list[str] = []
    queue.enqueue(1)
    Worker(Away(store=queue.store), handler, name="A", clock=Waiting(), log=told.append).run_once()
    returned.set()
    assert left[0].ended() == [False]
    assert queue.store.counts().succeeded == 1
    assert told == ["worker A waits: away", "worker A goes on"]


class Meeting(str):
    """A text that waits a moment for another thread to look it up at the same time."""

    both = threading.Barrier(2)

    def __hash__(self) -> int:
        """Wait for the other, if it comes."""
        try:
            self.both.wait(0.2)
        except threading.BrokenBarrierError:
            self.both.reset()
        return super().__hash__()


def test_two_threads_report_one_outage_once() -> None:
    """Both meet the same error at the same time, and one line is told."""

    class Away(StoreUnavailable):
        def __str__(self) -> str:
            return Meeting("away")

    told: list[str] = []
    report = OutageReport("A", told.append)
    threads = [Beating(lambda: report.waits(Away())) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert [thread.ended() for thread in threads] == [[None], [None]]
    assert told == ["worker A waits: away"]
