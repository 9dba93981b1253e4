"""A restore where the queue is damaged or missing: what was there is moved away whole, and never mixed in."""

import errno
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.sqlite.backup import Before, Restored, back_up, restore
from system.store import StoreBusy, StoreError
from tests.system.backups import damage, enqueue, keys, left_by_a_kill, names, open_elsewhere
from tests.system.files import beside, run
from tests.system.outages import error_of
from tests.system.struck import struck

OLD = ["old-1", "old-2"]
DAMAGES: dict[str, Callable[[Path], object]] = {
    "pages": damage,
    "its first page": lambda path: path.write_bytes(b"\xff" * 4096 + path.read_bytes()[4096:]),
    "all of it": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "its end": lambda path: os.truncate(path, path.stat().st_size // 2),
    "everything": lambda path: os.truncate(path, 0),
    "a table": lambda path: run(path, "PRAGMA foreign_keys = OFF; DROP TABLE executions"),
}


@pytest.fixture
def backup(path: Path) -> Path:
    """A backup of a queue of two jobs, which was killed with more jobs in its log."""
    enqueue(path, *OLD)
    backup = path.with_name("backup.db")
    back_up(path, backup)
    left_by_a_kill(path, *[f"new-{number}" for number in range(200)])
    return backup


def content(path: Path) -> dict[str, bytes]:
    """The files of a database, by what their name adds to its own."""
    found = path.parent.glob(f"{path.name}*")
    return {file.name.removeprefix(path.name): file.read_bytes() for file in found}


def test_the_advice_for_a_damaged_file_is_a_command(path: Path, backup: Path) -> None:
    """To put a copy in its place would mix it with the old log. What the line says instead does not."""
    damage(path)
    with closing(SQLiteStore(path, clock=ManualClock())) as store:
        error = error_of(lambda: Queue(store=store).enqueue(1)) or error_of(store.jobs)
    assert str(error) == f"{path}: the database file is damaged; stop the workers, then run `restore BACKUP`"
    restore(path, backup)
    assert keys(path) == OLD


@pytest.mark.parametrize(
    ("what", "log"),
    [*((what, False) for what in DAMAGES), ("pages", True), ("all of it", True), ("everything", True)],
)
def test_a_damaged_queue_is_what_it_was_at_the_backup(path: Path, backup: Path, what: str, log: bool) -> None:
    """Whatever is damaged: nothing of an old log is in it, and the damaged files are kept as they were."""
    if not log:
        with closing(SQLiteStore(path, clock=ManualClock())) as store:
            store.jobs()
    DAMAGES[what](path)
    before = content(path)
    kept = path.with_name("queue.db.damaged-1")
    assert restore(path, backup) == Restored(jobs=2, before=Before.DAMAGED, kept=kept)
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


def test_a_missing_queue_is_made(path: Path, backup: Path) -> None:
    """A log that lies there without its database is moved away; with nothing there, nothing is kept."""
    path.unlink()
    log = beside(path, "-wal").read_bytes()
    kept = path.with_name("queue.db.damaged-1-wal")
    assert restore(path, backup) == Restored(jobs=2, before=Before.MISSING, kept=kept)
    assert kept.read_bytes() == log
    assert keys(path) == OLD
    other = path.with_name("other.db")
    assert restore(other, backup) == Restored(jobs=2, before=Before.MISSING, kept=None)
    assert keys(other) == OLD


def test_a_journal_of_another_program_is_moved_away_too(path: Path, backup: Path) -> None:
    """SQLite would roll it back into whatever has that name."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()
    beside(path, "-journal").write_bytes(b"a journal")
    restore(path, backup)
    assert path.with_name("queue.db.damaged-1-journal").read_bytes() == b"a journal"
    assert keys(path) == OLD


def test_a_symlink_that_leads_to_nothing_leads_to_the_queue(path: Path, backup: Path) -> None:
    """The queue is made where it leads."""
    link = path.with_name("link.db")
    link.symlink_to("elsewhere.db")
    assert restore(link, backup).before is Before.MISSING
    assert keys(path.with_name("elsewhere.db")) == OLD
    assert link.is_symlink()


def test_the_permissions_of_the_queue_stay(path: Path, backup: Path) -> None:
    """Whoever could work on the damaged file can work on the restored one; its owner can in any case."""
    damage(path)
    path.chmod(0o660)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1234)
    owner = path.stat().st_uid
    backup.chmod(0o400)
    restore(path, backup)
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o660, owner)
    path.unlink()
    restore(path, backup)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("found", ["damaged", "removed"])
def test_a_damaged_queue_that_is_open_elsewhere_is_left_as_it_is(
    path: Path, backup: Path, found: str
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
            restore(path, backup)
        after = content(path)
        assert {name: text for name, text in after.items() if name != "-shm"} == {
            name: text for name, text in before.items() if name != "-shm"
        }
        assert not [name for name in names(path) if "unfinished" in name]
    restore(path, backup)
    assert keys(path) == OLD


@pytest.mark.parametrize("operation", ["open", "fsync", "link", "rename", "replace"])
def test_a_restore_that_fails_leaves_the_old_files(
    path: Path, backup: Path, operation: str, monkeypatch: pytest.MonkeyPatch
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
            error = error_of(lambda: restore(path, backup))
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


def put_back(saved: Path, folder: Path) -> None:
    """Let the folder be what it was."""
    for file in folder.iterdir():
        file.unlink()
    for file in saved.iterdir():
        shutil.copy2(file, folder / file.name)


def test_a_disk_without_hard_links_will_do(path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the damaged file is moved away, and is kept as anywhere else."""

    def unknown(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    damage(path)
    before = content(path)
    monkeypatch.setattr("os.link", unknown)
    restore(path, backup)
    assert keys(path) == OLD
    after = content(path.with_name("queue.db.damaged-1"))
    assert (after[""], after["-wal"]) == (before[""], before["-wal"])


def test_a_queue_that_is_made_meanwhile_is_not_written_over(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a producer that found no file, just before the backup gets its name."""
    for suffix in ("", "-wal", "-shm"):
        beside(path, suffix).unlink()
    fsync = os.fsync
    made: list[bool] = []

    def making(descriptor: int) -> None:
        fsync(descriptor)
        if not made and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            enqueue(path, "producer's")
            made.append(True)

    monkeypatch.setattr("os.fsync", making)
    with pytest.raises(
        StoreError, match=f"^{path}: another process has created it meanwhile; run `restore` again"
    ):
        restore(path, backup)
    assert keys(path) == ["producer's"]
    assert restore(path, backup).before is Before.WHOLE


STATES: dict[str, Callable[[Path], object]] = {
    "whole": Path.stat,
    "damaged": damage,
    "missing": Path.unlink,
}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
@pytest.mark.parametrize("state", STATES)
def test_a_restore_that_is_ended_leaves_the_old_queue_or_the_new(
    path: Path, backup: Path, state: str, how: signal.Signals
) -> None:
    """Whenever it is struck: the queue is the old one, or the backup's, or refused until it is run again.

    Nobody ever works on one with the log of the other. What was there is kept, and SIGTERM leaves no more.
    """
    STATES[state](path)
    saved = path.parent.with_name(f"{path.parent.name}-saved")
    shutil.copytree(path.parent, saved)
    whole = [*OLD, *[f"new-{number}" for number in range(200)]]
    ends: dict[str, int] = {"old": 0, "new": 0, "refused": 0}
    try:
        with struck(path.parent, how, "--db", path.name, "restore", backup.name) as strike:
            for number in range(1, 1000):
                code, seen = strike(number)
                found = found_in(path, state, whole)
                ends[found] += 1
                if how != signal.SIGKILL:
                    assert found != "refused"
                    assert not list(path.parent.glob("unfinished-*"))
                if code == 0:
                    break
                if found != "new":
                    assert restore(path, backup).jobs == 2
                    assert keys(path) == OLD
                if state != "missing":
                    assert kept_somewhere(path, saved, state, whole)
                put_back(saved, path.parent)
            assert (code, seen) == (0, number - 1)
    finally:
        shutil.rmtree(saved)
    assert keys(path) == OLD
    assert ends["old"] > 15
    assert ends["new"] > 0
    assert (ends["refused"] > 1) == ((state, how) == ("damaged", signal.SIGKILL))


def found_in(path: Path, state: str, whole: list[str]) -> str:
    """Whether it is the old queue or the new one, for who opens it now. Looks at a copy of it."""
    if path.exists() and path.stat().st_nlink > 1:
        error = error_of(lambda: SQLiteStore(path, clock=ManualClock()))
        assert str(error) == f"{path}: a restore was ended before it was done; run `restore BACKUP` again"
        return "refused"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(path.parent, folder, dirs_exist_ok=True), path.name)
        error = error_of(lambda: SQLiteStore(copy, clock=ManualClock()).close())
        if error is not None:
            assert state == "missing"
            assert ("no such file" in str(error)) or ("the file is missing, but its log" in str(error))
            return "old"
        if state == "damaged":
            with closing(SQLiteStore(copy, clock=ManualClock())) as store:
                if error_of(store.jobs) is not None:
                    return "old"
        found = keys(copy)
    assert found in (OLD, whole)
    return "new" if found == OLD else "old"


def kept_somewhere(path: Path, saved: Path, state: str, whole: list[str]) -> bool:
    """Whether the old queue is in a file beside the new one."""
    if state == "whole":
        return any(keys(file) == whole for file in path.parent.glob("queue.db.replaced-*"))
    old = (saved / path.name).read_bytes()
    return any(file.read_bytes() == old for file in path.parent.glob("queue.db.damaged-*"))
