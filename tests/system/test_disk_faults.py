"""Disk full, I/O error, read-only file: a worker that lives through them, at every operation on its files."""

import itertools
import os
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from failure_modes.checker.simulation.disk.operations import Operation, Sync, Truncate, Write
from system.clock import ManualClock
from system.policies.idempotency import Accepted
from system.queue import Queue
from system.sqlite import Connect, SQLiteStore
from system.store import Status, StoreError, StoreUnavailable
from system.worker import Worker
from tests.system.files import NOBODY, unprivileged
from tests.system.outages import (
    CAUSES,
    KEYS,
    LONG,
    SHORT,
    Disk,
    check,
    enqueue_all,
    error_of,
    handle,
    live,
    watched,
)


def remove(path: Path) -> None:
    """Remove the database and what lies beside it."""
    for file in path.parent.glob("queue.db*"):
        file.unlink()


def lived_through(path: Path, cause: str, number: int | None, lasts: int) -> tuple[Disk, list[str]]:
    """A life in which the operation of that number and all after it fail, until the cause is gone."""
    remove(path)
    enqueue_all(path)
    disk = Disk(CAUSES[cause][1], number)
    with watched(path, disk.watch) as connect:
        told = live(path, connect, disk.recover, lasts=lasts)
    return disk, told


# Of the kinds of operation that a cause fails, those that a worker with an open store comes to.
LIVE: dict[str, set[type[Operation]]] = {
    "disk full": {Write},
    "write failed": {Write},
    "sync failed": {Sync},
    "truncate failed": {Truncate},
    "read-only": {Write, Truncate},
}


@pytest.mark.parametrize(
    ("cause", "lasts"),
    [
        ("disk full", SHORT),
        ("write failed", LONG),
        ("sync failed", SHORT),
        ("sync failed", LONG),
        ("truncate failed", SHORT),
        ("read-only", SHORT),
    ],
)
def test_a_worker_lives_through_an_outage_of_the_disk(path: Path, cause: str, lasts: int) -> None:
    """Whichever operation it begins with, all jobs succeed once, and it is told once, by name, with its end.

    Root may write to any file, so a read-only one is what SQLite is told here.
    """
    undisturbed, told = lived_through(path, cause, None, lasts)
    assert (undisturbed.failed, told) == ([], [])
    kinds: Counter[type[Operation]] = Counter()
    stories: Counter[int] = Counter()
    for number in itertools.count(1):
        disk, told = lived_through(path, cause, number, lasts)
        if not disk.failed:
            break
        kinds[type(disk.failed[0])] += 1
        stories[len(told)] += 1
        for line, end in zip(told[::2], told[1::2], strict=True):
            assert line.startswith(f"worker A waits: {path}: {CAUSES[cause][0]}")
            assert end == "worker A goes on"
    assert set(kinds) == LIVE[cause]
    assert kinds.total() >= undisturbed.seen > 0
    assert set(stories) <= {0, 2}  # of a checkpoint that fails nothing is said: it is made up for later
    assert (stories[2] > 0) == (cause != "truncate failed")


def ask(path: Path, connect: Connect, key: str) -> Accepted:
    """Enqueue as the command does."""
    store = SQLiteStore(path, clock=ManualClock(1_000_000), create=True, busy_seconds=0, connect=connect)
    with closing(store):
        return Queue(store=store).accept(key, key=key)


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_producer_was_told_is_so(path: Path, cause: str) -> None:
    """Whichever operation fails first: what was answered is there, and asking again makes no second job.

    From the making of the file on: an error names it, and nothing stands in the way once it is gone.
    """
    kinds: Counter[type[Operation]] = Counter()
    for number in itertools.count(1):
        remove(path)
        disk = Disk(CAUSES[cause][1], number)
        with watched(path, disk.watch) as connect:
            errors = {key: error_of(partial(ask, path, connect, key)) for key in KEYS}
            for error in errors.values():
                assert error is None or isinstance(error, StoreUnavailable), error
                assert error is None or str(error).startswith(f"{path}: "), error
            disk.recover()
            for key in KEYS:
                assert errors[key] is not None or ask(path, connect, key).existed
                assert ask(path, connect, key).job.id == ask(path, connect, key).job.id
            if not disk.failed:
                break
            kinds[type(disk.failed[0])] += 1
            with closing(SQLiteStore(path, clock=ManualClock())) as store:
                assert sorted(str(job.key) for job in store.jobs()) == list(KEYS)
    assert set(kinds) == set(CAUSES[cause][1])


def died(path: Path, number: int) -> tuple[Disk, list[Status]]:
    """The sync of that number fails, and the worker dies instead of waiting. What it saw last."""
    disk = Disk({Sync: sqlite3.SQLITE_IOERR_FSYNC}, number)
    seen: list[Status] = []

    class Dying(ManualClock):
        def sleep(self, _: float) -> None:
            seen[:] = statuses(store)
            raise SystemExit

    clock = Dying(1_000_000)
    with watched(path, disk.watch) as connect:
        store = SQLiteStore(path, clock=clock, busy_seconds=0, connect=connect)
        with closing(store), suppress(SystemExit):
            Worker(Queue(store=store), handle, name="A", clock=clock).run()
    return disk, seen


def statuses(store: SQLiteStore) -> list[Status]:
    """The status of each execution."""
    return [execution.status for execution in store.executions()]


def test_a_commit_that_failed_may_have_been_done(path: Path) -> None:
    """The disk fails to sync a commit, and its worker dies: what comes of it is one effect, and not two.

    SQLite finds the commit in the log when it is opened next: a failed commit may be done all the same. No
    commit leaves an execution LEASED, because a worker starts it in the transaction that leases it.
    """
    done_unheard: set[Status] = set()
    for number in itertools.count(1):
        remove(path)
        enqueue_all(path)
        disk, seen = died(path, number)
        if not disk.failed:
            break
        clock = ManualClock(1_000_000)
        with closing(SQLiteStore(path, clock=clock)) as store:
            found = statuses(store)
            if found != seen:
                done_unheard.add(found[-1])
            for _ in range(5):
                clock.advance(LONG)
                Queue(store=store).reconcile()
                Worker(Queue(store=store), handle, name="B", clock=clock).drain()
        check(path)
    assert done_unheard == {Status.IN_PROGRESS, Status.COMMITTED, Status.ABORTED, Status.DONE}


def test_a_worker_on_a_file_that_may_only_be_read_waits_for_leave(locked_folder: Path) -> None:
    """A connection made before the file may be written is made anew, and the job is done."""
    path = locked_folder / "queue.db"
    told: list[str] = []

    class Allowing(ManualClock):
        waits = 0

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            self.waits += 1
            if self.waits == 3:
                for file in locked_folder.glob("queue.db*"):
                    file.chmod(0o666)
            if self.waits > 3:
                worker.stop()

    for mine in (locked_folder, path):
        if os.geteuid() == 0:
            os.chown(mine, NOBODY, -1)
    locked_folder.chmod(0o700)
    clock = Allowing()
    with unprivileged(), closing(SQLiteStore(path, clock=clock)) as store:
        worker = Worker(Queue(store=store), lambda *_: None, name="A", clock=clock, log=told.append)
        worker.run()
        assert store.counts().succeeded == 1
    why = "the file or its folder is read-only; this needs leave to write to both"
    assert told == [f"worker A waits: {path}: {why}", "worker A goes on"]


@pytest.mark.parametrize("error", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_a_file_that_will_not_get_better_ends_the_worker(path: Path, error: int) -> None:
    """A damaged file and one that is no database are errors, and are not tried again."""
    enqueue_all(path)
    disk = Disk({Write: error}, 3)
    clock = ManualClock(1_000_000)
    with (
        watched(path, disk.watch) as connect,
        closing(SQLiteStore(path, clock=clock, connect=connect)) as store,
    ):
        with pytest.raises(StoreError, match=r"queue\.db: ") as raised:
            Worker(Queue(store=store), handle, name="A", clock=clock).run()
        assert not isinstance(raised.value, StoreUnavailable)
        assert (len(disk.failed), clock.now()) == (1, 1_000_000)
