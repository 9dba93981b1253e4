"""The commands `backup` and `restore`: what they print, and what they refuse."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.backups import damage, enqueue, keys, left_by_a_kill, names
from tests.system.commands import fine, refused
from tests.system.databases import Database, SQLite

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def database(path: Path) -> Database:
    """A file."""
    return SQLite(path)


def test_a_backup_and_each_kind_of_restore_are_told_in_one_line(path: Path) -> None:
    """What it did, how many jobs there are, and where what was there is kept."""
    enqueue(path, "a")
    assert fine("backup", "b.db") == "b.db: a backup of queue.db with 1 job\n"
    enqueue(path, "c")
    assert fine("restore", "b.db") == (
        "queue.db: restored from b.db with 1 job; what it held before is kept in queue.db.replaced-1\n"
    )
    assert keys(path) == ["a"]
    assert keys(Path("queue.db.replaced-1")) == ["a", "c"]
    damage(path)
    assert fine("restore", "b.db") == (
        "queue.db: restored from b.db with 1 job; the damaged file is kept as queue.db.damaged-1\n"
    )
    path.unlink()
    assert fine("restore", "b.db") == "queue.db: restored from b.db with 1 job; there was none before\n"
    left_by_a_kill(path, "d")
    path.unlink()
    assert fine("restore", "b.db") == (
        "queue.db: restored from b.db with 1 job; "
        "there was no file, but a log, kept as queue.db.damaged-2-wal\n"
    )
    assert keys(path) == ["a"]


def test_what_cannot_be_backed_up_or_restored_is_one_line(path: Path) -> None:
    """Each names the file that is wrong, and nothing is written."""
    assert refused("backup", "b.db") == "error: queue.db: no such file; `enqueue` creates a queue"
    assert refused("restore", "b.db") == "error: b.db: no such file; name a file that `backup` has made"
    assert "Missing argument 'TARGET'" in refused("backup")
    assert "Missing argument 'BACKUP'" in refused("restore")
    enqueue(path, "a")
    before = path.read_bytes()
    assert refused("backup", "queue.db") == (
        "error: queue.db: exists already, and is left as it is; name a new file"
    )
    assert refused("restore", "queue.db") == (
        "error: queue.db: the queue itself; name a file that `backup` has made"
    )
    assert refused("backup", "nowhere/b.db") == (
        "error: nowhere/b.db: there is no folder nowhere to create it in"
    )
    assert "a null byte" in refused("backup", "b\0.db")
    assert path.read_bytes() == before
    assert [name for name in names(path) if name.endswith(".db")] == ["queue.db"]


def test_a_locked_queue_is_waited_for_as_long_as_was_said(path: Path) -> None:
    """A backup is made all the same; a restore is refused, and may be tried again."""
    enqueue(path, "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        fine("--busy-seconds", "0.01", "backup", "b.db")
        assert refused("--busy-seconds", "0.01", "restore", "b.db") == (
            "error: queue.db: locked by another process for more than 0.01 s; try again when it is done"
        )
    assert keys(path) == keys(Path("b.db")) == ["a"]


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        ("backup", "`pg_dump --format=custom --file=TARGET DATABASE`"),
        ("restore", "`pg_restore --clean --if-exists --single-transaction --dbname=DATABASE BACKUP`"),
    ],
)
def test_for_postgresql_its_own_tools_are_named(command: str, instead: str, path: Path) -> None:
    """No server is asked, no file is made, and no password is repeated."""
    pytest.importorskip("psycopg", reason="PostgreSQL: psycopg cannot be imported")
    before = names(path)
    assert refused("--db", "postgresql://me:hunter2@localhost:1/db", command, "b.db") == (
        f"error: postgresql://localhost:1/db: not a file; use {instead}"
    )
    assert names(path) == before
