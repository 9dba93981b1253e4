"""A worker that lives through an outage: a few jobs, and a cause that strikes at one moment and goes away."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import pytest

from failure_modes.checker.simulation.disk.operations import Create, Operation, Sync, Truncate, Watch, Write
from failure_modes.checker.simulation.disk.vfs import NoVFS, require, watched_target, watching
from system.clock import Clock, ManualClock
from system.queue import Queue
from system.sqlite import Connect, SQLiteStore, connecting
from system.store import Job, Status, Store, StoreError
from system.worker import Context, Worker

KEYS = ("a", "b")
SHORT, LONG = 500, 31_000
"""How long an outage lasts between two tries, in ms: less than a lease, and more."""

CAUSES: dict[str, tuple[str, dict[type[Operation], int]]] = {
    "disk full": (
        "the disk is full; make room on it",
        {Write: sqlite3.SQLITE_FULL, Create: sqlite3.SQLITE_CANTOPEN},
    ),
    "write failed": ("the disk failed to read or write", {Write: sqlite3.SQLITE_IOERR_WRITE}),
    "sync failed": ("the disk failed to read or write", {Sync: sqlite3.SQLITE_IOERR_FSYNC}),
    "truncate failed": ("the disk failed to read or write", {Truncate: sqlite3.SQLITE_IOERR_TRUNCATE}),
    "read-only": (
        "the file or its folder is read-only; this needs leave to write to both",
        dict.fromkeys((Write, Truncate, Create), sqlite3.SQLITE_READONLY),
    ),
}
"""What each cause is told as, and which operations it fails, with which error of SQLite's."""


class Disk:
    """A watch: from the operation of that number on, all of those kinds fail, until it is well again."""

    def __init__(self, errors: dict[type[Operation], int], number: int | None) -> None:
        self._errors = errors
        self._number = number
        self.seen = 0
        self.failed: list[Operation] = []

    def watch(self, operation: Operation) -> int:
        """Count it, and fail it if it is time."""
        error = self._errors.get(type(operation), 0)
        if not error:
            return 0
        self.seen += 1
        if self._number is None or self.seen < self._number:
            return 0
        self.failed.append(operation)
        return error

    def recover(self) -> None:
        """Fail nothing from now on."""
        self._number = None


@contextmanager
def watched(path: Path, watch: Watch) -> Iterator[Connect]:
    """Connections whose file operations are watched. The test is skipped where they cannot be seen."""
    try:
        require()
    except NoVFS as error:
        pytest.skip(f"file operations cannot be made to fail here: {error}")
    with watching(path, watch):
        yield lambda target: connecting(0)(watched_target(target))


class Moments:
    """Connections that strike at one moment: before a statement, or after it, counted from `begin` on."""

    def __init__(self, number: int | None, strike: Callable[[], bool]) -> None:
        """`strike` says whether it could."""
        self._number = number
        self._strike = strike
        self._counting = False
        self.seen = 0
        self.struck = False

    def begin(self) -> None:
        """Count from now on."""
        self._counting = True

    def passed(self) -> None:
        """One more moment has come."""
        self.seen += self._counting
        if self._counting and self.seen == self._number:
            self.struck = self._strike()

    def connect(self, target: str) -> sqlite3.Connection:
        """Open a connection."""
        moments = self

        class Struck(sqlite3.Connection):
            def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
                moments.passed()
                cursor = super().execute(sql, values)  # type: ignore[arg-type]
                moments.passed()
                return cursor

        return sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, factory=Struck)


class Outlasting(ManualClock):
    """A clock whose sleeper waits out the outage, which ends at its third wait; stops when all is done."""

    def __init__(self, lasts: int, recover: Callable[[], object], is_done: Callable[[], bool]) -> None:
        super().__init__(1_000_000)
        self._lasts = lasts
        self._recover = recover
        self._is_done = is_done
        self._waits = self._waits_failing = 0
        self.failing = False
        self.stop: Callable[[], None] = lambda: None

    def sleep(self, _: float) -> None:
        """Wait. No sleeper needs as many waits as this forbids."""
        self._waits += 1
        assert self._waits < 500, "a job is stuck"
        self.advance(self._lasts if self.failing else SHORT)
        self._waits_failing += self.failing
        if self._waits_failing == 3:
            self._recover()
        if not self.failing and self._is_done():
            self.stop()


def handle(job: Job, context: Context) -> None:
    """Ask for more time; the first attempt at the first job fails."""
    context.heartbeat()
    if job.id == 1 and context.attempt == 1:
        raise ValueError("at first")
    context.write(job.key)


def enqueue_all(path: Path) -> None:
    """A new queue of two jobs, whose producers were answered."""
    path.write_bytes(_two_jobs())


@cache
def _two_jobs() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "queue.db")
        with closing(SQLiteStore(path, clock=ManualClock(1_000_000), create=True)) as store:
            for key in KEYS:
                Queue(store=store).enqueue(key, key=key)
        return path.read_bytes()


def live(
    path: Path,
    connect: Connect,
    recover: Callable[[], None],
    *,
    lasts: int = SHORT,
    begin: Callable[[], None] = lambda: None,
) -> list[str]:
    """One worker, from before the cause until every job has ended. Returns what it told of."""
    connections: list[sqlite3.Connection] = []

    def opened(target: str) -> sqlite3.Connection:
        connections.append(connect(target))
        connections[-1].execute("PRAGMA wal_autocheckpoint = 20")
        return connections[-1]

    with closing(SQLiteStore(path, clock=ManualClock())) as observer:
        told = outlive(
            observer,
            lambda clock: SQLiteStore(path, clock=clock, busy_seconds=0, connect=opened),
            recover,
            lasts=lasts,
            begin=begin,
            at_rest=lambda: not connections[-1].in_transaction,
        )
    check(path)
    return told


def outlive(
    observer: Store,
    opened: Callable[[Clock], Store],
    recover: Callable[[], object],
    *,
    lasts: int,
    begin: Callable[[], None],
    at_rest: Callable[[], bool],
) -> list[str]:
    """One worker on the store that is opened, until every job has ended. Returns what it told of."""
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        clock.failing = " waits: " in text
        assert at_rest(), "an error leaves no transaction open"

    def is_done() -> bool:
        counts = observer.counts()
        return counts.pending + counts.running == 0

    clock = Outlasting(lasts, recover, is_done)
    with closing(opened(clock)) as store:
        worker = Worker(Queue(store=store), handle, name="A", clock=clock, log=tell)
        clock.stop = worker.stop
        begin()
        worker.run()
    recover()
    return told


def error_of(body: Callable[[], object]) -> StoreError | None:
    """The error of the store's in which this ends; None if it does not."""
    try:
        body()
    except StoreError as error:
        return error
    return None


def check(path: Path, keys: tuple[str, ...] = KEYS) -> None:
    """Each of these jobs is there once, has succeeded, and has one effect; the file is whole."""
    with closing(SQLiteStore(path, clock=ManualClock())) as store:
        check_jobs(store, keys)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_jobs(store: Store, keys: tuple[str, ...] = KEYS) -> None:
    """Each of these jobs is there once, has succeeded, and has one effect."""
    assert [job.key for job in store.jobs()] == list(keys)
    done = [execution.job_id for execution in store.executions() if execution.status is Status.DONE]
    assert sorted(done) == [job.id for job in store.jobs()]
    assert {e.status for e in store.executions()} <= {Status.DONE, Status.ABORTED}
    assert sorted((e.job_id, e.value) for e in store.effects()) == [
        (number, f'"{key}"') for number, key in enumerate(keys, 1)
    ]
