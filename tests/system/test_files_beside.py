"""SQLite beside its files: symlinks, hard links, and a log or an index that is removed under a live store."""

import itertools
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from system.clock import ManualClock, SystemClock
from system.queue import Queue
from system.sqlite import Connect, SQLiteStore
from system.store import StoreBusy, StoreError, StoreUnavailable
from tests.system.answers import ask, enqueued, link, open_store
from tests.system.backups import keys
from tests.system.commands import fine, refused
from tests.system.databases import Database, SQLite
from tests.system.files import beside, rows, run_elsewhere
from tests.system.outages import error_of
from tests.system.processes import process, ran

__all__ = ["link"]

SAVED = "stop every process of this queue: the last to end saves all jobs"
LOGS = [("-wal",), ("-shm",), ("-wal", "-shm")]


@pytest.fixture
def database(path: Path) -> Database:
    """A file."""
    return SQLite(path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("removed", LOGS, ids="".join)
@pytest.mark.parametrize("linked", [False, True], ids=["plain", "through a symlink"])
def test_what_was_answered_is_there_whatever_was_removed(
    path: Path, link: Path, removed: tuple[str, ...], linked: bool, stack: ExitStack
) -> None:
    """A live store accepts no job once its log or the index is gone, nor does one that is opened then.

    What was answered before is saved when the live store is closed.
    """
    shown = link if linked else path
    live = stack.enter_context(closing(open_store(shown)))
    answered = enqueued(live, "before", 5)
    for suffix in removed:
        beside(path, suffix).unlink()
    with pytest.raises(
        StoreBusy,
        match=f"{shown}: another process has it open, and {path}{removed[0]} is missing; {SAVED}; then try",
    ):
        open_store(shown)
    with pytest.raises(
        StoreUnavailable,
        match=f"{path}{removed[0]}: removed or moved while it was open; put it back, or {SAVED}",
    ):
        Queue(store=live).enqueue(1)
    answered += enqueued(live, "after", 50)
    live.close()
    with closing(open_store(shown)) as later:
        answered += enqueued(later, "later", 5)
    assert keys(path) == answered


@pytest.mark.parametrize("removed", LOGS, ids="".join)
def test_a_store_that_is_closed_destroys_nothing_of_others(path: Path, removed: tuple[str, ...]) -> None:
    """Another program began a new log: what it has committed outlives the store that has the old one."""
    with closing(open_store(path)) as store:
        answered = enqueued(store, "before", 5)
    live = open_store(path)
    for suffix in removed:
        beside(path, suffix).unlink()
    run_elsewhere(
        path,
        "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, timed, token)"
        " VALUES ('theirs', '', 1, 1, 0, '')",
    )
    assert beside(path, removed[0]).stat().st_size
    with pytest.raises(StoreError, match=f"{removed[0]}: another file has taken its place"):
        Queue(store=live).enqueue(1)
    live.close()
    assert keys(path) == [*answered, "theirs"]


def test_a_worker_that_is_stopped_saves_what_its_lost_log_holds(path: Path, place: Path) -> None:
    """It waits, newcomers are refused, and SIGTERM ends it in order: then all that was answered is there."""
    command = ("--db", str(path), "--busy-seconds", "0.01")
    with closing(open_store(path)) as store:
        answered = enqueued(store, "a", 3)
        with process(
            place, *command, "work", "handlers:obey", "--poll-seconds", "0.01", "--name", "A"
        ) as worker:
            assert worker.line() == "begun 1\n"
            store.close()
            beside(path, "-wal").unlink()
            beside(path, "-shm").unlink()
            worker.tell("return")
            assert worker.error_line() == "worker A begins\n"
            assert worker.error_line() == (
                f"worker A waits: {path}-wal: removed or moved while it was open; put it back, or {SAVED}\n"
            )
            assert refused(*command, "enqueue", "1").startswith(f"error: {path}: another process has it open")
            worker.popen.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):  # it has a job in hand
                worker.popen.wait(0.2)
            worker.popen.send_signal(signal.SIGTERM)
            assert worker.end()[0] == 0
    assert keys(path) == answered
    assert rows(path, "SELECT job_id, status FROM executions") == [(1, "IN_PROGRESS")]


def test_an_empty_log_of_others_keeps_nothing_from_being_saved(path: Path) -> None:
    """A program that could not read without the log may have made one, with nothing in it."""
    live = open_store(path)
    answered = enqueued(live, "before", 5)
    beside(path, "-wal").unlink()
    beside(path, "-wal").touch()
    live.close()
    assert keys(path) == answered


def test_a_store_waits_while_another_process_opens_or_closes_the_file(path: Path) -> None:
    """The log is missing for a moment then, and whoever waits for nobody else waits for that."""
    open_store(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("SELECT * FROM jobs").fetchall()
        assert not beside(path, "-shm").exists()

        class Closing(ManualClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.now() >= 500:
                    other.close()

        clock = Closing()
        SQLiteStore(path, clock=clock, busy_seconds=0).close()
        assert clock.now() == 500


def test_nothing_is_written_to_the_log_before_it_was_checked(path: Path) -> None:
    """Not even of a transaction that is larger than SQLite's cache: others may have written there."""
    with closing(open_store(path)) as store:
        log = beside(path, "-wal")
        before = log.stat().st_size
        with store.transaction() as tx:
            for _ in range(8):
                tx.add_job(key=None, payload_json="x" * 1_000_000, attempts_max=1)
            assert log.stat().st_size == before
        assert log.stat().st_size > before


class Removing:
    """Connections that remove a file after the statement of that number, if it is there by then."""

    def __init__(self, file: Path, number: int) -> None:
        self._file = file
        self._number = number
        self.ran = 0
        self.struck = False

    def connecting(self, _: float) -> Connect:
        """Opens such connections."""
        removing = self

        class Watched(sqlite3.Connection):
            def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
                cursor = super().execute(sql, values)  # type: ignore[arg-type]
                removing.ran += 1
                if removing.ran == removing._number and removing._file.exists():
                    removing._file.unlink()
                    removing.struck = True
                return cursor

        return lambda target: sqlite3.connect(target, isolation_level=None, uri=True, factory=Watched)


@pytest.mark.parametrize("removed", ["-wal", "-shm"])
def test_whenever_a_file_is_removed_no_job_is_accepted(
    path: Path, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the statement that makes it, while the store is being opened, to the COMMIT."""
    open_store(path).close()
    accepted: list[str] = []
    struck = 0
    for number in itertools.count(1):
        removing = Removing(beside(path, removed), number)
        monkeypatch.setattr("system.sqlite.store.connecting", removing.connecting)
        error = error_of(partial(ask, path, f"k{number}", accepted))
        assert (error is not None) == removing.struck
        struck += removing.struck
        if removing.ran < number:
            break
    assert struck > 10
    assert set(accepted) <= set(keys(path))


def test_other_processes_may_come_and_go(path: Path) -> None:
    """What they make and remove beside the file is not taken for a removal, and the file for another."""
    with closing(open_store(path)) as store:
        for number in range(3):
            with closing(open_store(path)) as other:
                Queue(store=other).enqueue(number)
                Queue(store=store).enqueue(number)
            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("VACUUM")
            assert fine("--db", str(path), "enqueue", "1")
            assert ran(path.parent, "--db", str(path), "enqueue", "1").returncode == 0
        assert len(store.jobs()) == 12
    assert not beside(path, "-wal").exists()


def test_processes_that_open_and_close_at_once_wait_for_each_other(path: Path) -> None:
    """What lies beside the file may be missing while another opens or closes it: that is no error."""
    open_store(path).close()
    errors: list[BaseException] = []

    def come_and_go(name: str) -> None:
        try:
            for number in range(20):
                with closing(SQLiteStore(path, clock=SystemClock())) as store:
                    Queue(store=store).enqueue(number, key=f"{name}{number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(keys(path)) == 60
