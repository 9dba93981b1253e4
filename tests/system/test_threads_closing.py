"""A store that is closed while threads use it, and a file that they may only read."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from system.audit import EventKind, Operation
from system.clock import ManualClock, SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Store, StoreError, StoreUnavailable
from tests.system.databases import Database, SQLite
from tests.system.files import unprivileged
from tests.system.threads import AT_ONCE, PATIENT_SECONDS, Opened, counted, in_threads, is_closed


@pytest.fixture
def closable(database: Database, opened: Store) -> Iterator[tuple[Store, Opened]]:
    """A store that a test closes, and its connections."""
    assert opened.jobs() == ()
    store, connections = counted(database, SystemClock())
    yield store, connections
    store.close()


@pytest.mark.parametrize("raises", [False, True])
def test_a_store_may_be_closed_while_a_thread_is_in_a_transaction(
    closable: tuple[Store, Opened], opened: Store, raises: bool
) -> None:
    """What the thread does is committed or rolled back all the same, and then its connection is closed."""
    store, connections = closable
    inside, closed = threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(ZeroDivisionError), store.transaction() as tx:
            job = tx.add_job(key="k", payload_json="1", attempts_max=1)
            inside.set()
            assert closed.wait(PATIENT_SECONDS)
            tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor="A", job_id=job.id)
            if raises:
                raise ZeroDivisionError

    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(hold)
        assert inside.wait(PATIENT_SECONDS)
        store.close()
        closed.set()
        answer.result(PATIENT_SECONDS)
    assert [job.key for job in opened.jobs()] == ([] if raises else ["k"])
    assert len(list(opened.audit())) == len(opened.jobs())
    assert all(is_closed(connection) for connection in connections)


def test_a_store_that_was_closed_is_closed_in_every_thread(closable: tuple[Store, Opened]) -> None:
    """Each thread is told in one line, whether it had used the store or not, and nothing is opened again."""
    store, connections = closable
    queue = Queue(store=store)
    in_threads(AT_ONCE, lambda number: queue.enqueue(number))
    known = len(connections)
    store.close()

    def ask(_: int) -> list[str]:
        told = []
        asks: tuple[Callable[[], object], ...] = (
            store.jobs,
            store.counts,
            lambda: queue.enqueue(1),
            lambda: queue.lease("A"),
            store.close,
        )
        for one in asks:
            try:
                one()
            except StoreError as error:
                told.append(str(error))
        return told

    for told in in_threads(AT_ONCE, ask):
        assert len(told) == 4
        assert {line.rpartition(": ")[2] for line in told} == {
            "this store was closed; open it again, with a new store"
        }
    assert len(connections) == known
    assert all(is_closed(connection) for connection in connections)


def test_a_store_may_be_closed_while_threads_work(database: Database, opened: Store) -> None:
    """Each of eight threads ends with one line; every job that was answered before is there, and no other."""
    store, connections = counted(database, SystemClock())
    queue = Queue(store=store)
    some = threading.Semaphore(0)

    def enqueue(thread: int) -> tuple[list[int], str]:
        ids: list[int] = []
        for _ in range(10_000):
            try:
                ids.append(queue.enqueue(thread).id)
            except StoreError as error:
                return ids, str(error)
            some.release()
        raise AssertionError("nobody has closed it")

    def close() -> None:
        for _ in range(20):
            assert some.acquire(timeout=PATIENT_SECONDS)
        store.close()

    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        closing_it = threads.submit(close)
        answers = in_threads(AT_ONCE, enqueue)
        closing_it.result(PATIENT_SECONDS)
    answered = sorted([job_id for ids, _ in answers for job_id in ids])
    assert [job.id for job in opened.jobs()] == answered
    assert {line.rpartition(": ")[2] for _, line in answers} == {
        "this store was closed; open it again, with a new store"
    }
    assert all(is_closed(connection) for connection in connections)


# A file that may only be read.


@pytest.fixture
def _impatient() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_impatient")
def test_a_file_that_may_only_be_read_is_read_from_any_thread(locked_folder: Path) -> None:
    """Each write is refused in one line, each read is answered, and few connections stay open."""
    path = locked_folder / "queue.db"
    with (
        closing(SQLiteStore(path, clock=ManualClock())) as owner,
        ExitStack() as stack,
    ):
        assert len(owner.jobs()) == 1
        stack.enter_context(unprivileged())
        store, connections = counted(SQLite(path), ManualClock())
        stack.callback(store.close)

        def ask(_: int) -> None:
            for _ in range(50):
                with pytest.raises(StoreUnavailable, match="the file or its folder is read-only"):
                    Queue(store=store).enqueue(2)
                assert store.counts().pending == 1

        in_threads(AT_ONCE, ask)
        assert sum(not is_closed(connection) for connection in connections) <= 2 * AT_ONCE
    assert all(is_closed(connection) for connection in connections)
