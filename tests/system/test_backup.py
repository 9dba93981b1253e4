"""A backup: whole and consistent while others write, in one file, and there or not there."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.sqlite import SQLiteStore
from system.sqlite.backup import back_up
from system.store import StoreError
from tests.system.backups import damage, enqueue, keys, left_by_a_kill, names
from tests.system.files import FOREIGN, run, unprivileged
from tests.system.processes import PROJECT
from tests.system.struck import struck
from tests.system.test_disk_faults_cli import mounted

WRITING = """
import sys
from system.clock import SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore

queue = Queue(store=SQLiteStore(sys.argv[1], clock=SystemClock()))
print("open", flush=True)
for number in range(1_000_000):
    with queue.store.transaction() as tx:
        for part in "ab":
            tx.add_job(key=f"{sys.argv[2]}-{number}-{part}", payload_json="x" * 500, attempts_max=1)
"""


@pytest.fixture
def target(path: Path) -> Path:
    """The name of a new backup, beside the queue."""
    return path.with_name("backup.db")


def test_a_backup_is_consistent_while_others_write(path: Path) -> None:
    """Whatever two processes commit meanwhile: each transaction is in it as a whole, or not at all.

    What was committed before the backup is in it.
    """
    enqueue(path, *[f"k{number}" for number in range(500)])
    written_meanwhile = 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WRITING, str(path), name],
                    env=os.environ | {"PYTHONPATH": str(PROJECT)},
                    stdout=subprocess.PIPE,
                )
            )
            for name in "AB"
        ]
        for writer in writers:
            stack.callback(writer.kill)
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"open\n"
        store = stack.enter_context(closing(SQLiteStore(path, clock=ManualClock())))
        for number in range(100):
            target = path.with_name(f"{number}.db")
            before = store.counts().pending
            jobs = back_up(path, target)
            after = store.counts().pending
            found = keys(target)
            assert before <= len(found) == jobs <= after
            halves = [sorted(key[:-2] for key in found if key.endswith(end)) for end in ("-a", "-b")]
            assert halves[0] == halves[1]
            written_meanwhile += after > before
            if number >= 2 and written_meanwhile >= 2:
                break
    assert written_meanwhile >= 2


def test_what_is_still_in_the_log_is_in_the_backup(path: Path, target: Path) -> None:
    """A copy of the file alone would lack it."""
    enqueue(path, "a")
    left_by_a_kill(path, "b", "c")
    assert back_up(path, target) == 3
    assert keys(target) == ["a", "b", "c"]


def test_a_backup_is_one_file(path: Path, target: Path) -> None:
    """It needs no log, may be read where nothing may be written, and has the permissions of the queue."""
    enqueue(path, "a")
    path.chmod(0o640)
    with closing(SQLiteStore(path, clock=ManualClock())):
        back_up(path, target)
        assert names(path) == ["backup.db", "queue.db", "queue.db-shm", "queue.db-wal"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_bytes()[18:20] == b"\1\1"
    target.chmod(0o444)
    target.parent.chmod(0o555)
    try:
        with unprivileged(), closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as reader:
            assert reader.execute("SELECT key FROM jobs").fetchall() == [("a",)]
    finally:
        target.parent.chmod(0o700)


def test_a_backup_is_a_queue(path: Path, target: Path) -> None:
    """It can be opened and worked on as it is."""
    enqueue(path, "a")
    back_up(path, target)
    enqueue(target, "a", "b")
    assert keys(target) == ["a", "b"]
    assert keys(path) == ["a"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_nothing_is_written_over(path: Path, target: Path, suffix: str) -> None:
    """Neither a file of that name nor what would lie beside it; also a symlink that leads to nothing."""
    enqueue(path, "a")
    there = Path(f"{target}{suffix}")
    there.write_text("dear")
    with pytest.raises(StoreError, match=f"^{there}: exists already, and is left as it is; name a new file$"):
        back_up(path, target)
    assert there.read_text() == "dear"
    there.unlink()
    there.symlink_to(path.with_name("nowhere"))
    with pytest.raises(StoreError, match="exists already"):
        back_up(path, target)
    assert len(names(path)) == 2


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_a_target_that_appears_meanwhile_is_not_written_over(
    path: Path, target: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by another at the last moment, it stays. A disk without hard links will do, too."""
    enqueue(path, "a")
    link = os.link

    def late(source: Path, name: Path) -> None:
        target.write_text("dear")
        if not links:
            raise OSError(errno.EPERM, "Operation not permitted")
        link(source, name)

    monkeypatch.setattr("os.link", late)
    with pytest.raises(
        StoreError, match=f"^{target}: exists already, and is left as it is; name a new file$"
    ):
        back_up(path, target)
    assert target.read_text() == "dear"
    assert names(path) == ["backup.db", "queue.db"]
    target.unlink()
    monkeypatch.setattr("os.link", failing(errno.EOPNOTSUPP))
    assert back_up(path, target) == 1
    assert keys(target) == ["a"]
    assert names(path) == ["backup.db", "queue.db"]


def failing(error: int) -> Callable[..., object]:
    """An operation that fails with this error of the system's."""

    def fail(*_: object, **__: object) -> object:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize(
    ("operation", "error", "why"),
    [
        ("os.open", errno.EACCES, "the file or its folder is read-only; this needs leave to write to both"),
        ("os.open", errno.EROFS, "the file or its folder is read-only; this needs leave to write to both"),
        ("os.open", errno.ENAMETOOLONG, "File name too long"),
        ("os.pwrite", errno.EIO, "Input/output error"),
        ("os.fsync", errno.ENOSPC, "the disk is full; make room on it"),
        ("os.fsync", errno.EDQUOT, "the disk is full; make room on it"),
        ("os.link", errno.EIO, "Input/output error"),
    ],
)
def test_a_backup_that_fails_leaves_nothing(
    path: Path, target: Path, operation: str, error: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the system refuses is told in one line that names the target, and no file is left."""
    enqueue(path, "a")
    monkeypatch.setattr(operation, failing(error))
    with pytest.raises(StoreError) as raised:
        back_up(path, target)
    assert str(raised.value) == f"{target}: {why}"
    assert names(path) == ["queue.db"]
    assert keys(path) == ["a"]


def test_a_folder_that_may_not_be_written_is_told(locked_folder: Path, path: Path) -> None:
    """In one line that names the target."""
    enqueue(path, "a")
    target = locked_folder / "backup.db"
    path.parent.chmod(0o777)
    path.chmod(0o666)
    with unprivileged(), pytest.raises(StoreError, match=f"^{target}: the file or its folder is read-only"):
        back_up(path, target)
    assert names(locked_folder / "queue.db") == ["queue.db"]


def test_a_damaged_queue_is_not_copied(path: Path, target: Path) -> None:
    """The line says what to do, and no file is left that would be taken for a backup."""
    enqueue(path, "a")
    damage(path)
    with pytest.raises(
        StoreError,
        match="the database file is damaged, and no backup was made; stop the workers, then run `rest",
    ):
        back_up(path, target)
    assert names(path) == ["queue.db"]


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_a_queue_is_not_copied(path: Path, target: Path, kind: str) -> None:
    """It is left as it is; so is a queue of a newer version, and a missing one is not made."""
    with pytest.raises(StoreError, match="no such file; `enqueue` creates a queue"):
        back_up(path, target)
    FOREIGN[kind](path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"^{path}: not a queue database"):
        back_up(path, target)
    assert path.read_bytes() == before
    path.unlink()
    enqueue(path, "a")
    run(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99, and this program knows"):
        back_up(path, target)
    assert names(path) == ["queue.db"]


def test_a_queue_that_is_replaced_meanwhile_is_not_taken_for_the_old_one(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that is announced is one of the file that is there."""
    enqueue(path, "a")
    pwrite = os.pwrite

    def replaced(*arguments: int) -> int:
        path.rename(path.with_name("aside.db"))
        return pwrite(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("os.pwrite", replaced)
    with pytest.raises(StoreError, match=f"^{path}: removed or moved while it was open"):
        back_up(path, target)
    assert not {"backup.db", "queue.db"} & set(names(path))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_backup_that_is_ended_is_there_or_not(path: Path, target: Path, how: signal.Signals) -> None:
    """Whenever it is struck: a backup that has its name is whole, and the queue is as it was.

    Ctrl-C and SIGTERM leave nothing else; SIGKILL may leave an unfinished file, which the next one ignores.
    """
    enqueue(path, "a", "b")
    ends: dict[bool, int] = {True: 0, False: 0}
    with struck(path.parent, how, "--db", path.name, "backup", target.name) as strike:
        for number in range(1, 1000):
            code, seen = strike(number)
            ends[target.exists()] += 1
            if target.exists():
                assert keys(target) == ["a", "b"]
                target.unlink()
            if how != signal.SIGKILL:
                assert code == 1 or seen < number
                assert not list(path.parent.glob("*unfinished*"))
            for left in path.parent.glob("unfinished-*.tmp*"):
                left.unlink()
            assert set(names(path)) <= {"queue.db", "queue.db-wal", "queue.db-shm"}
            if code == 0:
                break
        assert (code, seen) == (0, number - 1)
    assert ends[False] > 10
    assert ends[True] > 1
    assert keys(path) == ["a", "b"]


def test_a_full_disk_is_told(path: Path, tmp_path: Path) -> None:
    """The line names the target, and the disk is as it was."""
    enqueue(path, *[f"{number:01000}" for number in range(1000)])
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk):
        with pytest.raises(StoreError, match=f"^{disk}/backup.db: the disk is full; make room on it$"):
            back_up(path, disk / "backup.db")
        assert list(disk.iterdir()) == []
