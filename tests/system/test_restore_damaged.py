"""A restore where the queue is damaged or missing: what was there is moved away whole, and never mixed in."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.sqlite.backup import Before, Restored, back_up, restore
from system.store import StoreBusy, StoreError
from tests.system.backups import (
    OLD,
    backup_and_log,
    content,
    damage,
    enqueue,
    keys,
    names,
    open_elsewhere,
    put_back,
)
from tests.system.files import beside, run
from tests.system.outages import error_of

__all__ = ["backup_and_log"]

DAMAGES: dict[str, Callable[[Path], object]] = {
    "pages": damage,
    "its first page": lambda path: path.write_bytes(b"\xff" * 4096 + path.read_bytes()[4096:]),
    "all of it": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "its end": lambda path: os.truncate(path, path.stat().st_size // 2),
    "everything": lambda path: os.truncate(path, 0),
    "a table": lambda path: run(path, "PRAGMA foreign_keys = OFF; DROP TABLE executions"),
}


def test_the_advice_for_a_damaged_file_is_a_command(path: Path, backup_and_log: Path) -> None:
    """To put a copy in its place would mix it with the old log. What the line says instead does not."""
    damage(path)
    with closing(SQLiteStore(path, clock=ManualClock())) as store:
        error = error_of(lambda: Queue(store=store).enqueue(1)) or error_of(store.jobs)
    assert str(error) == f"{path}: the database file is damaged; stop the workers, then run `restore BACKUP`"
    restore(path, backup_and_log)
    assert keys(path) == OLD


@pytest.mark.parametrize(
    ("what", "log"),
    [*((what, False) for what in DAMAGES), ("pages", True), ("all of it", True), ("everything", True)],
)
def test_a_damaged_queue_is_what_it_was_at_the_backup(
    path: Path, backup_and_log: Path, what: str, log: bool
) -> None:
    """Whatever is damaged: nothing of an old log is in it, and the damaged files are kept as they were."""
    if not log:
        with closing(SQLiteStore(path, clock=ManualClock())) as store:
            store.jobs()
    DAMAGES[what](path)
    before = content(path)
    kept = path.with_name("queue.db.damaged-1")
    assert restore(path, backup_and_log) == Restored(jobs=2, before=Before.DAMAGED, kept=kept)
    after = content(kept)
    assert {suffix: after[suffix] for suffix in before if suffix != "-shm"} == {
        suffix: text for suffix, text in before.items() if suffix != "-shm"
    }
    assert set(after) - {"-shm", "-wal"} == {""}
    assert keys(path) == OLD
    assert not beside(path, "-wal").exists()
    enqueue(path, "later")
    assert keys(path) == [*OLD, "later"]
    assert path.stat().st_nlink == 1


def test_a_missing_queue_is_made(path: Path, backup_and_log: Path) -> None:
    """A log that lies there without its database is moved away; with nothing there, nothing is kept."""
    path.unlink()
    log = beside(path, "-wal").read_bytes()
    kept = path.with_name("queue.db.damaged-1-wal")
    assert restore(path, backup_and_log) == Restored(jobs=2, before=Before.MISSING, kept=kept)
    assert kept.read_bytes() == log
    assert keys(path) == OLD
    other = path.with_name("other.db")
    assert restore(other, backup_and_log) == Restored(jobs=2, before=Before.MISSING, kept=None)
    assert keys(other) == OLD


def test_a_journal_of_another_program_is_moved_away_too(path: Path, backup_and_log: Path) -> None:
    """SQLite would roll it back into whatever has that name."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()
    beside(path, "-journal").write_bytes(b"a journal")
    restore(path, backup_and_log)
    assert path.with_name("queue.db.damaged-1-journal").read_bytes() == b"a journal"
    assert keys(path) == OLD


def test_a_symlink_that_leads_to_nothing_leads_to_the_queue(path: Path, backup_and_log: Path) -> None:
    """The queue is made where it leads."""
    link = path.with_name("link.db")
    link.symlink_to("elsewhere.db")
    assert restore(link, backup_and_log).before is Before.MISSING
    assert keys(path.with_name("elsewhere.db")) == OLD
    assert link.is_symlink()


def test_the_permissions_of_the_queue_stay(path: Path, backup_and_log: Path) -> None:
    """Whoever could work on the damaged file can work on the restored one; its owner can in any case."""
    damage(path)
    path.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1234)
    owner = path.stat().st_uid
    backup_and_log.chmod(0o400)
    restore(path, backup_and_log)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o660, owner)
    path.unlink()
    restore(path, backup_and_log)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("found", ["damaged", "removed"])
def test_a_damaged_queue_that_is_open_elsewhere_is_left_as_it_is(
    path: Path, backup_and_log: Path, found: str
) -> None:
    """Its worker would go on with the old files. When it has ended, the same command does it."""
    with open_elsewhere(path):
        if found == "damaged":
            damage(path)
        else:
            path.rename(path.with_name("aside.db"))
        before = content(path)
        with pytest.raises(
            StoreBusy,
            match=f"^{path}: another process has it open; stop the workers, then run `restore BACKUP` again$",
        ):
            restore(path, backup_and_log)
        after = content(path)
        assert {name: text for name, text in after.items() if name != "-shm"} == {
            name: text for name, text in before.items() if name != "-shm"
        }
        assert not [name for name in names(path) if "unfinished" in name]
    restore(path, backup_and_log)
    assert keys(path) == OLD


def test_a_process_that_comes_at_the_last_moment_is_noticed(
    path: Path, backup_and_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opened the damaged queue before that had a second name, and goes on with it: nothing is moved."""
    damage(path)
    before = content(path)
    link = os.link
    with ExitStack() as stack:

        def late(*names: Path) -> None:
            stack.enter_context(open_elsewhere(path))
            link(*names)

        monkeypatch.setattr("os.link", late)
        with pytest.raises(StoreBusy, match="another process has it open"):
            restore(path, backup_and_log)
        after = content(path)
    assert (after[""], after["-wal"]) == (before[""], before["-wal"])
    assert path.stat().st_nlink == 1
    assert names(path) == ["backup.db", "queue.db", "queue.db-shm", "queue.db-wal"]


def test_a_restore_goes_on_where_another_was_killed(path: Path, backup_and_log: Path) -> None:
    """A log that lies beside the file again is kept as well as the one that was moved already."""
    damage(path)
    kept = path.with_name("queue.db.damaged-1")
    kept.hardlink_to(path)
    beside(path, "-wal").rename(beside(kept, "-wal"))
    moved = beside(kept, "-wal").read_bytes()
    beside(path, "-wal").write_bytes(b"another log")
    assert restore(path, backup_and_log) == Restored(jobs=2, before=Before.DAMAGED, kept=kept)
    assert beside(kept, "-wal").read_bytes() == moved
    assert path.with_name("queue.db.damaged-2-wal").read_bytes() == b"another log"
    assert keys(path) == OLD


@pytest.mark.parametrize("operation", ["open", "fsync", "link", "rename", "replace"])
def test_a_restore_that_fails_leaves_the_old_files(
    path: Path, backup_and_log: Path, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever operation fails: what was there has its names again, or the queue is the backup's."""
    damage(path)
    real = getattr(os, operation)
    saved = path.parent.with_name(f"{path.parent.name}-saved")
    shutil.copytree(path.parent, saved)
    numbers = []
    try:
        for number in range(1, 100):
            seen = 0

            def failing(*arguments: object, number: int = number, **named: object) -> object:
                nonlocal seen
                seen += 1
                if seen == number:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return real(*arguments, **named)

            before = content(path)
            monkeypatch.setattr(os, operation, failing)
            error = error_of(lambda: restore(path, backup_and_log))
            monkeypatch.setattr(os, operation, real)
            if error is None and seen < number:
                break
            numbers.append(number)
            assert str(error) == f"{path}: Input/output error"
            after = content(path)
            if after[""] == before[""]:
                assert {name: text for name, text in after.items() if name != "-shm"} == {
                    name: text for name, text in before.items() if name != "-shm"
                }
            else:
                assert keys(path) == OLD
            put_back(saved, path.parent)
    finally:
        shutil.rmtree(saved)
    assert numbers
    assert keys(path) == OLD


def test_each_step_is_on_the_disk_before_the_next(
    path: Path, backup_and_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy before it has a name, what was moved away before the copy is in its place, and then that."""
    damage(path)
    steps: list[str] = []

    def noting(operation: str, real: Callable[..., object]) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            folder = operation == "fsync" and stat.S_ISDIR(os.fstat(int(str(arguments[0]))).st_mode)
            steps.append(f"{operation} folder" if folder else operation)
            return real(*arguments)

        return noted

    for operation in ("fsync", "link", "rename", "replace"):
        monkeypatch.setattr(os, operation, noting(operation, getattr(os, operation)))
    restore(path, backup_and_log)
    assert steps[-7:] == ["fsync", "link", "rename", "rename", "fsync folder", "replace", "fsync folder"]
    steps.clear()
    back_up(path, path.with_name("another.db"))
    assert steps == ["fsync", "link", "fsync folder"]


def test_a_disk_without_hard_links_will_do(
    path: Path, backup_and_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the damaged file is moved away, and is kept as anywhere else."""

    def unknown(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    damage(path)
    before = content(path)
    monkeypatch.setattr("os.link", unknown)
    restore(path, backup_and_log)
    assert keys(path) == OLD
    after = content(path.with_name("queue.db.damaged-1"))
    assert (after[""], after["-wal"]) == (before[""], before["-wal"])


@pytest.mark.parametrize("found", ["missing", "damaged"])
def test_a_queue_that_is_put_there_meanwhile_is_not_written_over(
    path: Path, backup_and_log: Path, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a producer that found no file, or by another restore, before the backup gets its name."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()
    if found == "damaged":
        path.write_bytes(b"\xff" * 9000)
    fsync = os.fsync
    for moment in (1, 3):  # of the copy, and of what was moved away
        seen = 0

        def making(descriptor: int, moment: int = moment) -> None:
            nonlocal seen
            fsync(descriptor)
            seen += 1
            if seen == moment:
                enqueue(path.with_name("other.db"), "producer's")
                path.with_name("other.db").replace(path)

        before = path.read_bytes() if path.exists() else None
        monkeypatch.setattr("os.fsync", making)
        with pytest.raises(StoreError, match=f"^{path}: another process has put a file there meanwhile; run"):
            restore(path, backup_and_log)
        monkeypatch.setattr("os.fsync", fsync)
        assert keys(path) == ["producer's"]
        path.unlink()
        if before is not None:
            assert moment == 1 or path.with_name("queue.db.damaged-1").read_bytes() == before
            path.write_bytes(before)
