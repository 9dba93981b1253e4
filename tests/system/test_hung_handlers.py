"""Handlers that hang, in real processes: each costs its attempt, and at most its process."""

import signal
import sys
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.exit_timer import EXIT_HELD
from system.policies import Policies, Retry
from system.queue import Queue
from system.store import Store
from system.watching import EXIT_STUCK
from system.worker import Worker
from tests.system.databases import Database, PostgreSQL, effects
from tests.system.processes import process, ran, ran_program
from tests.system.test_worker import write

HUNG = """
import ctypes
import os
import select
import signal
import sqlite3
import sys
import threading


def hang():
    while True:
        select.select([], [], [], 3600)


def block(job, context):
    if context.attempt == 1:
        hang()
    context.write(context.attempt)


def swallow(job, context):
    while context.attempt == 1:
        try:
            hang()
        except BaseException:
            pass
    context.write(context.attempt)


def swallow_and_lock(job, context):
    address = os.environ.get("QUEUE_DB")
    if address:
        import psycopg

        connection = psycopg.connect(address)
        connection.execute("SELECT FROM jobs FOR UPDATE")
    else:
        connection = sqlite3.connect("queue.db", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
    swallow(job, context)


def hold_interpreter(job, context):
    if context.attempt == 1:
        ctypes.PyDLL(None).sleep(3600)
    context.write(context.attempt)


def alarm(job, context):
    rang = []
    signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while not rang:
        select.select([], [], [], 0.05)
    context.write("alarmed")


def beat(job, context):
    stopped = threading.Event()

    def beats():
        while context.heartbeat() and not stopped.is_set():
            pass

    beating = threading.Thread(target=beats)
    beating.start()
    try:
        print("begun", flush=True)
        while sys.stdin.readline() == "ping\\n":
            print("pong", flush=True)
    finally:
        stopped.set()
        beating.join()
    context.write("beaten")
"""


@pytest.fixture
def place(place: Path) -> Path:
    """A folder with the handlers."""
    (place / "hung.py").write_text(HUNG)
    return place


@pytest.fixture
def queue(opened: Store) -> Queue:
    """The queue of the commands, with a job that may be tried often."""
    queue = Queue(store=opened, policies=Policies(retry=Retry(attempts_max=1_000)))
    queue.enqueue(1)
    return queue


def test_a_handler_that_waits_for_ever_is_broken_off(place: Path, queue: Queue) -> None:
    """In the process of a worker the wait itself ends, and the worker goes on."""
    queue.enqueue(2)
    ended = ran(place, "work", "hung:block", "--drain", "--handler-seconds", "0.5", "--grace-seconds", "3600")
    assert (ended.returncode, ended.stderr.count(b"\n")) == (0, 1)
    failed = [(row.job_id, row.detail) for row in queue.store.audit() if row.event == "failed"]
    assert failed == [(number, "TimedOut: the handler ran for more than 0.5 s") for number in (1, 2)]


STUCK = ("--name", "A", "--handler-seconds", "0.2", "--grace-seconds", "0.2")
ENDS = (
    "worker A: job 1, attempt 1: the handler ran for more than 0.2 s and cannot be broken off,"
    " so this process ends, with exit code 4."
)


def test_a_handler_that_cannot_be_broken_off_costs_its_process(
    place: Path, database: Database, later: Store
) -> None:
    """The attempt fails in the store, one line says why, and the exit code is its own. Others go on."""
    ended = ran(place, "work", "hung:swallow", *STUCK)
    assert (ended.returncode, ended.stdout) == (EXIT_STUCK, b"")
    assert ended.stderr.decode().splitlines() == ["worker A begins", ENDS]
    last = list(later.audit())[-1]
    assert (last.event, last.detail) == ("failed", "TimedOut: the handler ran for more than 0.2 s")
    Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
    assert effects(database) == [(1, "1"), (2, "2")]


FROM_PYTHON = """
import sys

import hung
import system

with system.open(sys.argv[1]) as queue:
    queue.work(hung.swallow, name="A", handler_seconds=0.2, grace_seconds=0.2)
"""


def test_a_program_that_works_from_python_ends_in_the_same_way(
    place: Path, database: Database, queue: Queue
) -> None:
    """`OpenQueue.work` takes the same two limits as the command."""
    (place / "program.py").write_text(FROM_PYTHON)
    address = database.dsn if isinstance(database, PostgreSQL) else database.named
    ended = ran_program(place, "program.py", address)
    assert (ended.returncode, ended.stderr.decode().splitlines()) == (EXIT_STUCK, [ENDS])
    last = list(queue.store.audit())[-1]
    assert (last.event, last.detail) == ("failed", "TimedOut: the handler ran for more than 0.2 s")


def test_a_process_ends_also_where_the_store_cannot_be_told(
    place: Path, database: Database, later: Store
) -> None:
    """A handler that hangs while it holds the database: the line says so, and the job's lease runs out."""
    ended = ran(place, "--busy-seconds", "0", "work", "hung:swallow_and_lock", *STUCK)
    assert ended.returncode == EXIT_STUCK
    assert ended.stderr.decode().splitlines() == [
        "worker A begins",
        f"{ENDS} The store has no record of it: the job comes back when its lease runs out.",
    ]
    assert [row.event for row in later.audit()][-1] == "started"
    Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
    assert effects(database) == [(1, "1"), (2, "2")]


def test_a_process_whose_interpreter_is_held_ends_too(place: Path, queue: Queue) -> None:
    """A C function lets no thread run: a traceback says where, and the exit code is one of its own."""
    limits = ("--handler-seconds", "0.2", "--grace-seconds", "0.2")
    ended = ran(place, "work", "hung:hold_interpreter", *limits)
    assert ended.returncode == (EXIT_HELD if sys.platform == "linux" else 1)
    assert b"Timeout" in ended.stderr
    assert b"in hold_interpreter" in ended.stderr
    assert [row.event for row in queue.store.audit()][-1] == "started"


def test_the_timer_of_a_held_interpreter_leaves_a_handler_its_alarms(place: Path, opened: Store) -> None:
    """A handler that sets SIGALRM for itself gets its own alarm, and its process lives on."""
    Queue(store=opened).enqueue(1)
    ended = ran(place, "work", "hung:alarm", "--drain", "--handler-seconds", "60", "--name", "A")
    assert (ended.returncode, [effect.value for effect in opened.effects()]) == (0, ['"alarmed"'])


def test_a_worker_whose_lease_is_gone_goes_on(place: Path, database: Database, queue: Queue) -> None:
    """Its handler is broken off, one line says so, and it leases the job again."""
    ended = ran(place, "work", "hung:block", "--drain", "--lease-seconds", "2", "--name", "A")
    assert ended.returncode == 0
    told = ended.stderr.decode().splitlines()
    assert told[:2] == [
        "worker A begins",
        "worker A: job 1, attempt 1: the lease is gone; nothing of it is kept",
    ]
    assert len(effects(database)) == 1
    assert [row.event for row in queue.store.audit()][:4] == ["enqueued", "leased", "started", "expired"]


def test_two_signals_release_a_handler_whose_thread_beats(place: Path, queue: Queue) -> None:
    """However often the thread is in a heartbeat, the signal reaches the handler, and the process exits 0."""
    with process(place, "work", "hung:beat") as running:
        assert running.line() == "begun\n"
        running.popen.send_signal(signal.SIGTERM)
        running.tell("ping")
        assert running.line() == "pong\n"  # so the first signal has been seen
        running.popen.send_signal(signal.SIGTERM)
        code, _, told = running.end()
    assert (code, told.count("\n")) == (0, 1)
    last = list(queue.store.audit())[-1]
    assert (last.event, last.detail) == ("failed", "Released: the worker was interrupted")
