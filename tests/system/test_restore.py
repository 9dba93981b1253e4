"""A restore into a whole queue, which others have open: in one step, and what it held is kept."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.sqlite.backup import Before, Restored, restore
from system.store import StoreBusy, StoreError, StoreUnavailable
from tests.system.backups import NEW, OLD, backup, damage, enqueue, keys, names, open_elsewhere
from tests.system.files import beside, run
from tests.system.outages import error_of

__all__ = ["backup"]


@pytest.fixture
def store(path: Path, backup: Path) -> Iterator[SQLiteStore]:
    """A store that is open all the time."""
    assert backup.exists()
    with closing(SQLiteStore(path, clock=ManualClock(10_000))) as store:
        yield store


def test_a_queue_is_what_it_was_at_the_backup(path: Path, backup: Path) -> None:
    """What it held before is kept in a file of its own, and no other file is left."""
    kept = path.with_name("queue.db.replaced-1")
    assert restore(path, backup) == Restored(jobs=2, before=Before.WHOLE, kept=kept)
    assert keys(path) == OLD
    assert keys(kept) == NEW
    assert names(path) == ["backup.db", "queue.db", "queue.db.replaced-1"]
    enqueue(path, "later")
    assert restore(path, kept).kept == path.with_name("queue.db.replaced-2")
    assert keys(path) == NEW
    assert keys(path.with_name("queue.db.replaced-2")) == [*OLD, "later"]


def test_a_live_store_goes_on_with_what_was_restored(path: Path, backup: Path, store: SQLiteStore) -> None:
    """A store that had read and written before sees the restored jobs, and writes nothing stale over them."""
    queue = Queue(store=store)
    assert [job.key for job in store.jobs()] == NEW
    queue.enqueue("x" * 100_000, key="new-3")
    lease = queue.lease("A")
    assert lease is not None
    inode = path.stat().st_ino
    restore(path, backup)
    assert path.stat().st_ino == inode
    assert [job.key for job in store.jobs()] == OLD
    assert store.executions() == ()
    for number in range(50):
        queue.enqueue("y" * 1_000, key=f"later-{number}")
    assert queue.enqueue("again", key="new-1").id == 53
    store.close()
    assert keys(path) == [*OLD, *[f"later-{number}" for number in range(50)], "new-1"]


def test_a_lease_from_before_has_no_effect(path: Path, backup: Path, store: SQLiteStore) -> None:
    """A worker whose execution is not in the backup commits nothing after the restore."""
    queue = Queue(store=store)
    lease = queue.lease("A")
    assert lease is not None
    assert queue.start(lease.execution)
    restore(path, backup)
    assert not queue.commit(lease.execution, "stale")
    assert store.effects() == ()
    assert [job.available_at is not None for job in store.jobs()] == [True, True]


def test_a_live_process_goes_on_with_what_was_restored(path: Path, backup: Path) -> None:
    """So does one whose jobs are in the log when the queue is restored, and it may be killed then."""
    with open_elsewhere(path, "new-3", "new-4") as other:
        restore(path, backup)
        with closing(SQLiteStore(path, clock=ManualClock())) as store:
            assert [job.key for job in store.jobs()] == OLD
        enqueue(path, "later")
        other.kill()
        other.wait()
    assert keys(path) == [*OLD, "later"]
    assert keys(path.with_name("queue.db.replaced-1")) == [*NEW, "new-3", "new-4"]


def test_what_is_kept_is_what_the_queue_held_last(
    path: Path, backup: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can add a job between what is kept and what is restored, so none is lost without a trace."""
    tried: list[StoreError | None] = []
    pwrite = os.pwrite

    def trying(*arguments: int) -> int:
        with closing(SQLiteStore(path, clock=ManualClock(), busy_seconds=0)) as other:
            tried.append(error_of(lambda: Queue(store=other).enqueue(1, key=f"meanwhile-{len(tried)}")))
        return pwrite(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("os.pwrite", trying)  # of the copy of the backup, and of what is kept
    kept = restore(path, backup).kept
    assert [type(error) for error in tried] == [type(None), StoreBusy]
    assert kept is not None
    assert keys(kept) == [*NEW, "meanwhile-0"]
    assert [job.key for job in store.jobs()] == OLD


def test_a_queue_that_is_locked_is_not_changed(path: Path, backup: Path, store: SQLiteStore) -> None:
    """It waits for a transaction that is open, and then it is told; nothing is left beside the queue."""
    with store.transaction() as tx:
        with pytest.raises(StoreBusy, match=f"^{path}: locked by another process for more than 0.05 s; try"):
            restore(path, backup, busy_seconds=0.05)
        tx.add_job(key="new-3", payload_json="3", attempts_max=1)
    store.close()
    assert keys(path) == [*NEW, "new-3"]
    assert names(path) == ["backup.db", "queue.db"]


@pytest.mark.parametrize("operation", ["os.open", "os.fsync", "os.pwrite", "os.link"])
def test_a_restore_that_fails_changes_nothing(
    path: Path, backup: Path, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever operation on files the disk is full at, all is as it was, but for a name that was used."""
    real = {"os.open": os.open, "os.fsync": os.fsync, "os.pwrite": os.pwrite, "os.link": os.link}[operation]
    for number in range(1, 100):
        seen = 0

        def failing(*arguments: object, number: int = number, **named: object) -> object:
            nonlocal seen
            seen += 1
            if seen == number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **named)  # type: ignore[operator]

        monkeypatch.setattr(operation, failing)
        error = error_of(lambda: restore(path, backup))
        monkeypatch.setattr(operation, real)
        if error is None:
            break
        assert str(error).endswith(": the disk is full; make room on it")
        assert keys(path) == NEW
        assert names(path) == ["backup.db", "queue.db"]
    assert number > 1
    assert keys(path) == OLD


def test_a_queue_that_is_moved_meanwhile_is_told(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved away before it is changed, it is not; moved at the last moment, it is not called restored."""
    aside = path.with_name("aside.db")
    for moment, found in (("system.sqlite.backup._with_pages_of", NEW), ("os.link", OLD)):
        module, _, name = moment.rpartition(".")
        real = getattr(sys.modules[module], name)

        def moving(*arguments: object, real: Callable[..., object] = real) -> object:
            path.rename(aside)
            return real(*arguments)

        monkeypatch.setattr(moment, moving)
        with pytest.raises(
            StoreUnavailable, match=f"^{path}: removed or moved while it was open; put it back$"
        ):
            restore(path, backup)
        monkeypatch.setattr(moment, real)
        aside.rename(path)
        assert keys(path) == found
    assert keys(path.with_name("queue.db.replaced-1")) == NEW


def test_a_queue_whose_log_was_removed_is_not_restored(path: Path, backup: Path) -> None:
    """Nothing is made in the place of the log: the process that has it open still saves its jobs."""
    with open_elsewhere(path, "new-3") as other:
        beside(path, "-wal").unlink()
        beside(path, "-shm").unlink()
        with pytest.raises(
            StoreBusy, match=f"^{path}: another process has it open, and {path}-wal is missing;"
        ):
            restore(path, backup, busy_seconds=0)
        other.communicate()
    assert keys(path) == [*NEW, "new-3"]
    assert restore(path, backup).before is Before.WHOLE


def test_a_symlink_to_the_queue_stays(path: Path, backup: Path) -> None:
    """What it leads to is restored, and what is kept is beside that, whole or damaged."""
    (path.parent / "links").mkdir()
    link = path.parent / "links" / "link.db"
    link.symlink_to(path)
    assert restore(link, backup).kept == path.with_name("queue.db.replaced-1")
    damage(path)
    assert restore(link, backup).kept == path.with_name("queue.db.damaged-1")
    assert link.readlink() == path
    assert keys(path) == OLD
    assert len(list(link.parent.iterdir())) == 1


def test_a_backup_of_an_older_version_is_brought_up(path: Path, backup: Path) -> None:
    """Live stores of this version could not work with it as it is. The backup itself is not changed."""
    run(backup, "DROP TABLE retries; DROP TABLE breaker; PRAGMA user_version = 1")
    before = backup.read_bytes()
    with closing(SQLiteStore(path, clock=ManualClock())) as store:
        restore(path, backup)
        assert [job.key for job in store.jobs()] == OLD
        assert store.retries() == ()
    assert backup.read_bytes() == before


@pytest.mark.parametrize("page_bytes", [1024, 65536])
def test_a_backup_with_pages_of_another_size_is_restored(path: Path, backup: Path, page_bytes: int) -> None:
    """The pages of a database in use cannot change their size."""
    run(backup, f"PRAGMA page_size = {page_bytes}; VACUUM")
    with closing(SQLiteStore(path, clock=ManualClock())) as store:
        restore(path, backup)
        assert [job.key for job in store.jobs()] == OLD
        enqueue(path, "later")
    assert keys(path) == [*OLD, "later"]
