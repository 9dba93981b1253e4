"""The worker: how a signal stops it, and that it never stops half way."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import system
from system.breaking import Breakable
from system.clock import ManualClock
from system.queue import Queue
from system.store import Job, Status, Store
from system.worker import Context, Released, Worker
from tests.system.databases import Database
from tests.system.processes import process
from tests.system.test_worker import details, worker


def test_a_second_interruption_releases_the_job(queue: Queue, clock: ManualClock) -> None:
    """The first lets the handler go on; the second raises Released in it, and the job is PENDING again."""
    seen: list[str] = []

    def handler(*_: object) -> None:
        interrupted.interrupt()
        seen.append("went on")
        interrupted.interrupt()
        seen.append("never")

    queue.enqueue(1)
    interrupted = worker(queue, handler, clock)
    interrupted.run()
    assert seen == ["went on"]
    assert details(queue) == ["Released: the worker was interrupted"]
    assert queue.store.counts().pending == 1


def test_an_interruption_in_a_heartbeat_comes_after_it(
    queue: Queue, clock: ManualClock, database: Database
) -> None:
    """The heartbeat's transaction is whole: its audit row is there, and then the handler is broken off."""

    class Interrupting(ManualClock):
        armed = False

        def now(self) -> int:
            for _ in range(2 if self.armed else 0):
                interrupted.interrupt()
            return super().now()

    def handler(_: Job, context: Context) -> None:
        interrupting.armed = True
        try:
            context.heartbeat()
        finally:
            interrupting.armed = False

    interrupting = Interrupting(clock.now())
    mine = database.open(clock=interrupting)
    interrupted = Worker(Queue(store=mine), handler, name="A", clock=clock)
    queue.enqueue(1)
    interrupted.run_once()
    assert [row.event for row in queue.store.audit()][-2:] == ["extended", "failed"]
    mine.close()


FOLDER = Path(system.__path__[0])
WORKER = {
    str(FOLDER / name) for name in ("breaking.py", "calling.py", "context.py", "reporting.py", "worker.py")
}


def interrupted_at(number: int, body: Callable[[], object], interrupt: Callable[[], None]) -> bool:
    """Run, and interrupt before the worker's instruction of that number. False if there are fewer."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in WORKER:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                interrupt()
        return trace

    before = sys.gettrace()
    gc.disable()  # what a collector's callback raises is lost, and so is a trace function with it
    sys.settrace(trace)
    try:
        body()
    finally:
        sys.settrace(before)
        gc.enable()
    return left <= 0


ALONE = "TRACED_ALONE"
"""Set in a process that runs one test alone."""


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_released_never_leaves_the_handler(store: str) -> None:
    """The next test, in a process of its own: beside others Python may hang while it traces."""
    name = f"{__file__}::test_each_instruction_may_be_interrupted[{store}]"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", name],
        env=os.environ | {ALONE: "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(ALONE not in os.environ, reason="runs in a process of its own, by the test before it")
def test_each_instruction_may_be_interrupted(queue: Queue, clock: ManualClock) -> None:
    """Between whichever two instructions a signal falls, the job ends or is released; the worker lives."""

    def handler(job: Job, context: Context) -> None:
        context.heartbeat()
        if job.id % 2:
            raise ValueError("failed by itself")
        context.write(1)

    number, inside = 0, True
    while inside:
        number += 1
        for _ in range(2):  # one job that fails by itself, one that does not
            queue.enqueue(1)
            told = worker(queue, handler, clock)
            told.interrupt()
            inside = interrupted_at(number, told.run_once, told.interrupt)
    last = {execution.job_id: execution.status for execution in queue.store.executions()}
    assert set(last.values()) == {Status.DONE, Status.ABORTED}
    assert len(last) == len(queue.store.jobs()) == 2 * number
    assert set(details(queue)) == {"ValueError: failed by itself", "Released: the worker was interrupted"}


def test_what_is_broken_off_before_it_begins_does_not_begin() -> None:
    """A break that was asked for early holds, and one that comes late does nothing."""
    breakable = Breakable()
    ran: list[int] = []
    assert breakable.run(lambda: ran.append(1)) is None
    breakable.break_off(told := Released())
    assert breakable.run(lambda: ran.append(2)) is told
    assert ran == [1]


def test_a_break_comes_once() -> None:
    """Code that has swallowed Released is not broken off again: while it closes no second one may come."""
    breakable = Breakable()
    went_on: list[bool] = []

    def stubborn() -> None:
        with suppress(Released):
            breakable.break_off(Released())
        breakable.break_off(Released())
        breakable.shield(lambda: breakable.break_off(Released()))
        went_on.append(True)

    assert breakable.run(stubborn) is None
    assert went_on == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_lets_the_job_in_hand_end(
    place: Path, opened: Store, number: signal.Signals
) -> None:
    """A real process that is told to stop in its handler finishes that job, takes no other, and exits 0."""
    queue = Queue(store=opened)
    queue.enqueue("in hand")
    queue.enqueue("next")
    with process(place, "work", "handlers:obey") as running:
        assert running.line() == "begun 1\n"
        running.popen.send_signal(number)
        running.tell("return")
        assert running.end()[0] == 0
    assert (opened.counts().succeeded, opened.counts().pending) == (1, 1)
    assert [effect.value for effect in opened.effects()] == ['"obeyed"']


def test_the_second_signal_releases_the_job(place: Path, opened: Store) -> None:
    """A real process that gets two SIGTERMs in its handler puts the job back to PENDING, and exits 0."""
    Queue(store=opened).enqueue(1)
    with process(place, "work", "handlers:obey") as running:
        assert running.line() == "begun 1\n"
        running.popen.send_signal(signal.SIGTERM)
        running.tell("ping")
        assert running.line() == "pong\n"  # so the first signal has been seen
        running.popen.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
    assert opened.counts().pending == 1
    assert [row.detail for row in opened.audit()][-1] == "Released: the worker was interrupted"


def test_a_signal_ends_the_wait_for_a_job(place: Path, opened: Store) -> None:
    """A real process that waits an hour for the next job exits 0 at once when it is told to stop."""
    opened.close()
    with process(place, "work", "handlers:echo", "--poll-seconds", "3600") as running:
        assert running.error_line().endswith("begins\n")
        running.popen.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
