"""Hostile handlers: they raise what is no exception, end their process, or never return."""

import signal
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.store import Job, Status, Store
from system.worker import Context, Worker
from tests.system.databases import Database, effects
from tests.system.processes import process, ran
from tests.system.test_worker import details, worker, write

HOSTILE = """
import os
import select
import signal
import sys


def crash(job, context):
    context.write("crashed")
    os._exit(7)


def die(job, context):
    context.write("died")
    os.kill(os.getpid(), signal.SIGKILL)


def replace(job, context):
    context.write("replaced")
    os.execv(sys.executable, [sys.executable, "-c", "raise SystemExit(8)"])


def wait_for_ever():
    while True:
        select.select([], [], [], 0.01)


def stay(job, context):
    context.write("stayed")
    print("begun", flush=True)
    sys.stdin.readline()
    print("pong", flush=True)
    wait_for_ever()
"""


@pytest.fixture
def place(place: Path) -> Path:
    """A folder with the handlers."""
    (place / "hostile.py").write_text(HOSTILE)
    return place


class Own(BaseException):
    """What a handler may raise and most code does not catch."""


class Mute(Exception):
    """An exception that leaves when it is asked for its text."""

    def __str__(self) -> str:
        """Raise what is no exception."""
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Own("a\x00b \ud800"), r"Own: a\x00b \ud800"),
        (GeneratorExit("gone"), "GeneratorExit: gone"),
        (
            BaseExceptionGroup("two", [Own(), KeyboardInterrupt()]),
            "BaseExceptionGroup: two (2 sub-exceptions)",
        ),
        (Mute(), "Mute"),
        (SystemExit("'; DROP TABLE jobs; --"), "SystemExit: '; DROP TABLE jobs; --"),
        (ValueError("x" * 10_000_000), "ValueError: " + "x" * 1_988),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_handler_raises_fails_its_attempt(
    queue: Queue, clock: ManualClock, error: BaseException, told: str
) -> None:
    """It is on the record, the next job is worked on, and the job that failed is tried again."""

    def handler(job: Job, context: Context) -> None:
        if job.payload == 1 and context.attempt == 1:
            context.write("failed")
            raise error
        context.write(context.attempt)

    queue.enqueue(1)
    queue.enqueue(2)
    worker(queue, handler, clock).drain()
    assert details(queue) == [told]
    clock.advance(1_000)
    worker(queue, handler, clock).drain()
    assert [(effect.job_id, effect.value) for effect in queue.store.effects()] == [(2, "1"), (1, "2")]


def test_a_keyboard_interrupt_ends_the_worker_and_the_job_comes_back(
    queue: Queue, clock: ManualClock
) -> None:
    """Ctrl-C where nobody handles the signal is no failure of the job, which has its lease to run out."""

    def handler(*_: object) -> None:
        raise KeyboardInterrupt

    queue.enqueue(1)
    with pytest.raises(KeyboardInterrupt):
        worker(queue, handler, clock).run()
    assert details(queue) == []
    clock.advance(30_000)
    worker(queue, write, clock).drain()
    assert [execution.status for execution in queue.store.executions()] == [Status.ABORTED, Status.DONE]


def test_a_handler_that_returns_too_late_is_refused(
    queue: Queue, clock: ManualClock, database: Database
) -> None:
    """While it does not return its lease runs out and another worker does the job; its own effect is not."""

    def handler(_: Job, context: Context) -> None:
        context.write("late")
        clock.advance(30_000)
        with closing(database.open(clock=clock)) as store:
            Worker(Queue(store=store), write, name="B", clock=clock).drain()

    queue.enqueue(1)
    worker(queue, handler, clock).drain()
    assert effects(database) == [(1, "1")]
    last = list(queue.store.audit())[-1]
    assert (last.actor, last.operation, last.reason) == ("A", "commit", "already_committed")


@pytest.mark.parametrize(("handler", "code"), [("crash", 7), ("die", -signal.SIGKILL), ("replace", 8)])
def test_a_process_that_ends_in_its_handler_leaves_the_job_to_another(
    place: Path, database: Database, later: Store, handler: str, code: int
) -> None:
    """What it wrote is gone, its lease runs out, and another worker does the job."""
    assert ran(place, "work", f"hostile:{handler}", "--drain").returncode == code
    assert effects(database) == []
    Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
    assert effects(database) == [(1, "1"), (2, "2")]
    assert sorted(execution.attempt for execution in later.executions()) == [1, 1, 2]
    assert database.sound()


@pytest.mark.parametrize("taken", [False, True])
def test_a_handler_that_never_returns_is_told_to_let_go(
    place: Path, database: Database, later: Store, taken: bool
) -> None:
    """A second SIGTERM ends it: the job goes back, or stays with the worker that has done it meanwhile."""
    with process(place, "work", "hostile:stay", "--name", "A") as running:
        assert running.line() == "begun\n"
        if taken:
            Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
        running.popen.send_signal(signal.SIGTERM)
        running.tell("ping")
        assert running.line() == "pong\n"  # so the first signal has been seen
        running.popen.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
    last = list(later.audit(job_id=1))[-1]
    assert (last.actor, last.operation) == ("A", "fail")
    assert last.reason == ("lease_lost" if taken else "handler_failed")
    assert effects(database) == ([(1, "1"), (2, "2")] if taken else [])
    Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
    assert later.counts().succeeded == 2
