"""A database that is locked, removed or replaced under a live worker, between whichever two statements."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import StoreUnavailable
from system.worker import Worker
from tests.system.outages import KEYS, LONG, SHORT, Moments, check, enqueue_all, error_of, handle, live


@pytest.fixture
def file(path: Path) -> Path:
    """A queue of two jobs in a folder of its own."""
    (path.parent / "folder").mkdir()
    return path.parent / "folder" / path.name


def remove(file: Path) -> None:
    """Remove the database and what lies beside it."""
    for one in file.parent.glob("queue.db*"):
        one.unlink()


def lives(
    file: Path, strike: Callable[[], bool], recover: Callable[[], None], lasts: int
) -> tuple[int, int, list[list[str]]]:
    """One life for each moment: how many moments, at how many it could strike, and what was told in those."""
    struck, stories = 0, list[list[str]]()
    for number in itertools.count(1):
        remove(file)
        enqueue_all(file)
        moments = Moments(number, strike)
        told = live(file, moments.connect, recover, lasts=lasts, begin=moments.begin)
        if moments.seen < number:
            return number - 1, struck, stories
        if moments.struck:
            struck += 1
            stories.append(told)
        else:
            assert told == []
    raise AssertionError


def told_of(file: Path, why: str) -> list[str]:
    """What a worker tells of an outage: that it waits and why, and that it goes on."""
    return [f"worker A waits: {file}{why}", "worker A goes on"]


@pytest.mark.parametrize("lasts", [SHORT, LONG], ids=["within the lease", "past the lease"])
def test_a_worker_lives_through_a_lock(file: Path, lasts: int) -> None:
    """Whenever another process takes the lock, the worker waits for it, and all jobs succeed once."""
    others: list[sqlite3.Connection] = []

    def lock() -> bool:
        others.append(sqlite3.connect(file, timeout=0, isolation_level=None))
        try:
            others[-1].execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # the worker has it
            unlock()
            return False
        return True

    def unlock() -> None:
        while others:
            others.pop().close()

    moments, struck, stories = lives(file, lock, unlock, lasts)
    why = ": locked by another process for more than 0 s; try again when it is done"
    # The lock is free for the two moments between a COMMIT and a BEGIN, and before and after them all.
    assert 0 < struck < moments
    assert struck >= 2 * 9
    assert stories.pop() == [], "after its last transaction it asks for no lock"
    assert {tuple(story) for story in stories} == {tuple(told_of(file, why))}


SAVED = "stop every process of this queue: the last to end saves all jobs"
REMOVED = {
    "the file": ("queue.db", ": removed or moved while it was open; put it back"),
    "the log": ("queue.db-wal", f"-wal: removed or moved while it was open; put it back, or {SAVED}"),
    "its index": ("queue.db-shm", f"-shm: removed or moved while it was open; put it back, or {SAVED}"),
    "the folder": (".", ": removed or moved while it was open; put it back"),
}


@pytest.mark.parametrize(("what", "lasts"), [*((what, SHORT) for what in REMOVED), ("the file", LONG)])
def test_a_worker_lives_through_a_removal(file: Path, what: str, lasts: int) -> None:
    """Whenever the file, its log or its folder is moved away, the worker waits until it is put back.

    Nothing is done on a file that nobody can see: each job succeeds once, in what is put back.
    """
    name, why = REMOVED[what]
    place = file.parent / name
    aside = file.parent.with_name("aside")

    def take() -> bool:
        place.rename(aside)
        return True

    def put_back() -> None:
        if aside.exists():
            aside.rename(place)

    moments, struck, stories = lives(file, take, put_back, lasts)
    assert struck == moments > 100
    assert {tuple(story) for story in stories} == {tuple(told_of(file, why))}


def test_a_worker_does_not_work_on_another_file(file: Path) -> None:
    """Whenever another queue is put in its place, the worker ends with an error, and leaves that as it is.

    What it holds means something else there, and trying again would not help. Put back, the first is whole.
    """
    other, aside = file.with_name("other.db"), file.with_name("aside.db")
    enqueue_all(other)
    before = other.read_bytes()

    def replace() -> bool:
        file.rename(aside)
        shutil.copyfile(other, file)
        return True

    for number in itertools.count(1):
        remove(file)
        enqueue_all(file)
        moments = Moments(number, replace)
        clock = ManualClock(1_000_000)
        with closing(SQLiteStore(file, clock=clock, connect=moments.connect)) as store:
            moments.begin()
            error = error_of(Worker(Queue(store=store), handle, name="A", clock=clock).drain)
        if not moments.struck:
            break
        assert not isinstance(error, StoreUnavailable)
        assert f"{file}: another file has taken its place since it was opened; put the first" in str(error)
        assert file.read_bytes() == before
        aside.rename(file)
        with closing(SQLiteStore(file, clock=clock)) as store:
            for _ in range(5):
                clock.advance(LONG)
                Queue(store=store).reconcile()
                Worker(Queue(store=store), handle, name="B", clock=clock).drain()
        check(file)
    assert number > 100


def test_an_enqueue_into_a_removed_file_is_not_answered(file: Path) -> None:
    """Moved away before whichever statement or after it, an enqueue fails or is in what is put back."""
    aside = file.with_name("aside.db")

    def take() -> bool:
        file.rename(aside)
        return True

    outcomes = set()
    for number in itertools.count(1):
        remove(file)
        enqueue_all(file)
        moments = Moments(number, take)
        with closing(SQLiteStore(file, clock=ManualClock(), connect=moments.connect)) as store:
            moments.begin()
            try:
                outcomes.add(str(Queue(store=store).accept("c", key="c").existed))
            except StoreUnavailable as error:
                outcomes.add(str(error))
            if not moments.struck:
                break
            aside.rename(file)
            assert Queue(store=store).enqueue("c", key="c").id == len(store.jobs()) == len(KEYS) + 1
    assert outcomes == {"False", f"{file}: removed or moved while it was open; put it back"}
    assert number > 2 * 4


class Forgetful(sqlite3.Connection):
    """After the COMMIT of that number, which is done, it says that the disk failed."""

    failing = 0
    commits = 0

    def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
        """Run a statement."""
        cursor = super().execute(sql, values)  # type: ignore[arg-type]
        Forgetful.commits += sql == "COMMIT"
        if sql == "COMMIT" and Forgetful.commits == Forgetful.failing:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return cursor


def forgetting(target: str) -> sqlite3.Connection:
    """A connection that is forgetful."""
    return sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, factory=Forgetful)


def test_a_commit_that_was_done_unheard_is_done_once(file: Path) -> None:
    """Whichever COMMIT is done and answered with an error: no effect comes twice, and no job is stuck."""
    for number in itertools.count(1):
        remove(file)
        enqueue_all(file)
        Forgetful.failing, Forgetful.commits = number, 0
        told = live(file, forgetting, lambda: None)
        if Forgetful.commits < number:
            break
        assert told == told_of(file, ": the disk failed to read or write; the system's log may say why")
        with closing(SQLiteStore(file, clock=ManualClock())) as store:
            failed = [row.execution_id for row in store.audit() if row.event == "failed"]
            committed = [row.execution_id for row in store.audit() if row.event == "committed"]
        assert (len(committed), set(failed) & set(committed)) == (len(KEYS), set())
    assert number - 1 >= 13, "each transaction of two jobs and three attempts"


def test_an_enqueue_that_was_done_unheard_is_done_once(file: Path) -> None:
    """The producer was told of an error, asks again with the same key, and is given the job that is there."""
    enqueue_all(file)
    Forgetful.failing, Forgetful.commits = 1, 0
    with closing(SQLiteStore(file, clock=ManualClock(), connect=forgetting)) as store:
        queue = Queue(store=store)
        with pytest.raises(StoreUnavailable, match=r"queue\.db: the disk failed to read or write"):
            queue.enqueue("c", key="c")
        assert queue.accept("c", key="c").existed
        assert [job.key for job in store.jobs()] == [*KEYS, "c"]
