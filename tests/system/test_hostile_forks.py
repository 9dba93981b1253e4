"""Handlers that fork: what they fork is no worker, and does not touch what its parent has open."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.store import Store
from system.worker import Worker
from tests.system.databases import Database, effects
from tests.system.processes import PROJECT, ran
from tests.system.test_worker import write

HOSTILE = """
import multiprocessing
import os
import select
import signal
import sys


def after(child, context):
    _, status = os.waitpid(child, 0)
    context.write(["parent", os.waitstatus_to_exitcode(status)])


def child_exits(job, context):
    if child := os.fork():
        return after(child, context)
    context.write("child")
    os._exit(0)


def child_returns(job, context):
    if child := os.fork():
        return after(child, context)
    context.write("child")


def child_raises(job, context):
    if child := os.fork():
        return after(child, context)
    context.write("child")
    raise ValueError("in the\\nchild")


def child_leaves(job, context):
    if child := os.fork():
        return after(child, context)
    sys.exit(0)


def child_interrupts(job, context):
    if child := os.fork():
        return after(child, context)
    raise KeyboardInterrupt


def child_beats(job, context):
    if child := os.fork():
        return after(child, context)
    context.heartbeat()


def child_writes_to_nobody(job, context):
    if child := os.fork():
        return after(child, context)
    os.close(2)
    raise ValueError


def parent_dies(job, context):
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        os._exit(7)
    context.write("child")
    os.close(writing)


def wait_for_ever(writing):
    os.write(writing, b"begun")
    while True:
        select.select([], [], [], 0.01)


def child_is_killed(job, context):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        wait_for_ever(writing)
    os.read(reading, 5)
    os.kill(child, signal.SIGTERM)
    after(child, context)


def process_is_terminated(job, context):
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=wait_for_ever, args=(writing,))
    process.start()
    os.read(reading, 5)
    process.terminate()
    process.join()
    context.write(["parent", process.exitcode])


def pool(job, context):
    with multiprocessing.get_context("fork").Pool(2) as workers:
        context.write(["parent", sum(workers.map(abs, [-1, 1, -2]))])
"""


@pytest.fixture
def place(place: Path) -> Path:
    """A folder with the handlers."""
    (place / "hostile.py").write_text(HOSTILE)
    return place


ENDS: dict[str, tuple[int, str]] = {
    "child_exits": (0, ""),
    "child_returns": (0, ""),
    "child_raises": (1, r"ValueError: in the\nchild"),
    "child_leaves": (1, "SystemExit: 0"),
    "child_interrupts": (1, "KeyboardInterrupt: "),
    "child_beats": (1, "StoreError: {named}: opened before this process was forked; open it again here"),
    "child_is_killed": (-signal.SIGTERM, ""),
    "process_is_terminated": (-signal.SIGTERM, ""),
    "pool": (4, ""),
}


@pytest.mark.parametrize("handler", ENDS)
def test_a_process_that_a_handler_forks_is_no_worker(
    place: Path, database: Database, later: Store, handler: str
) -> None:
    """However it ends it ends there: the parent alone commits, finishes and goes on, each once."""
    code, told = ENDS[handler]
    ended = ran(place, "work", f"hostile:{handler}", "--drain", "--name", "A")
    assert (ended.returncode, ended.stdout) == (0, b"")
    begins, *lines = ended.stderr.decode().splitlines()
    assert begins == "worker A begins"
    prefix = f"a process that the handler forked has failed: {told.format(named=database.named)}"
    assert [line[: len(prefix)] for line in lines] == ([prefix] * 2 if told else [])
    assert effects(database) == [(1, f'["parent",{code}]'), (2, f'["parent",{code}]')]
    for number in (1, 2):
        events = [row.event for row in later.audit(job_id=number)]
        assert events == ["enqueued", "leased", "started", "committed", "finished"]
    assert database.sound()


def test_a_forked_process_ends_also_where_it_cannot_say_why(
    place: Path, database: Database, later: Store
) -> None:
    """With stderr closed it ends all the same, and its parent's work is not touched."""
    ended = ran(place, "work", "hostile:child_writes_to_nobody", "--drain")
    assert (ended.returncode, ended.stderr.count(b"\n")) == (0, 1)
    assert effects(database) == [(1, '["parent",1]'), (2, '["parent",1]')]
    assert later.counts().succeeded == 2


def test_a_forked_process_does_not_stand_in_for_its_parent(
    place: Path, database: Database, later: Store
) -> None:
    """Where the worker dies and its child comes back from the handler, nobody has done the job yet."""
    assert ran(place, "work", "hostile:parent_dies", "--drain").returncode == 7
    assert effects(database) == []
    Worker(Queue(store=later), write, name="B", clock=ManualClock()).drain()
    assert effects(database) == [(1, "1"), (2, "2")]


FORKING = """
import os
from system.clock import SystemClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import StoreError

store = {opening}
queue = Queue(store=store)
queue.enqueue("before", key="k")
if os.fork() == 0:
    for refused in (lambda: queue.enqueue("child"), store.jobs, store.counts, lambda: queue.lease("A")):
        try:
            refused()
        except StoreError as error:
            print(error, flush=True)
    store.close()
    Queue(store={opening}).enqueue("child, with a store of its own")
    os._exit(0)
os.wait()
queue.enqueue("after")
store.close()
"""


def test_a_store_does_not_outlive_a_fork(path: Path, database: Database) -> None:
    """A forked process is refused what its parent has open, may open its own, and its parent goes on."""
    ended = subprocess.run(
        [sys.executable, "-c", FORKING.format(opening=database.opening)],
        cwd=path.parent,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    told = f"{database.named}: opened before this process was forked; open it again here, with a new store"
    assert (ended.returncode, ended.stderr, ended.stdout.splitlines()) == (0, "", [told] * 4)
    assert database.rows("SELECT payload FROM jobs ORDER BY id") == [
        ('"before"',),
        ('"child, with a store of its own"',),
        ('"after"',),
    ]
    assert database.sound()
