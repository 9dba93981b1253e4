"""A restore is refused: what is no backup is not restored, and what is not this queue is not replaced."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from system.sqlite.backup import Before, restore
from system.store import StoreError
from tests.system.backups import NEW, backup, damage, keys, left_by_a_kill, names
from tests.system.files import FOREIGN, run, unprivileged

__all__ = ["backup"]


def test_a_file_that_is_no_backup_is_refused(path: Path, backup: Path) -> None:
    """A missing one, a folder, the queue itself under any name, and one that is in use or was not closed."""
    link = path.with_name("link.db")
    link.symlink_to(path)
    live = path.with_name("live.db")
    left_by_a_kill(live, "a")
    for name, why in (
        (path.with_name("nowhere"), "no such file; name a file that `backup` has made"),
        (path.parent, "a directory; name a file"),
        (path, "the queue itself; name a file that `backup` has made"),
        (link, "the queue itself; name a file that `backup` has made"),
        (
            live,
            "in use or not closed, for live.db-wal lies beside it; "
            f"`--db {live} backup NEW` makes a backup of it",
        ),
    ):
        with pytest.raises(StoreError) as raised:
            restore(path, name)
        assert str(raised.value) == f"{name}: {why}"
    assert backup.exists()
    assert keys(path) == NEW


@pytest.mark.parametrize("kind", [*FOREIGN, "an empty file", "a damaged queue", "a newer queue"])
def test_a_file_that_is_not_a_whole_queue_is_not_restored(path: Path, backup: Path, kind: str) -> None:
    """It is named, and neither it nor the queue is changed."""
    if kind in FOREIGN:
        backup.unlink()
        FOREIGN[kind](backup)
    elif kind == "an empty file":
        backup.write_bytes(b"")
    elif kind == "a damaged queue":
        damage(backup)
    else:
        run(backup, "PRAGMA user_version = 99")
    before = backup.read_bytes()
    with pytest.raises(
        StoreError, match=f"^{backup}: (not a queue database|the database file is damaged|schema)"
    ):
        restore(path, backup)
    assert backup.read_bytes() == before
    assert keys(path) == NEW
    assert names(path) == ["backup.db", "queue.db"]


@pytest.mark.parametrize(
    "kind", [kind for kind in FOREIGN if kind != "text"] + ["a newer queue", "two names"]
)
def test_what_is_not_this_queue_is_not_replaced(path: Path, backup: Path, kind: str) -> None:
    """Another program's database, a newer version's queue, and a file with two names are left as they are."""
    if kind in FOREIGN:
        path.unlink()
        FOREIGN[kind](path)
    elif kind == "a newer queue":
        run(path, "PRAGMA user_version = 99")
    else:
        path.with_name("second.db").hardlink_to(path)
    before, there = path.read_bytes(), names(path)
    with pytest.raises(
        StoreError, match=f"^{path}: (not a queue database|schema version 99|the file has 2 names)"
    ):
        restore(path, backup)
    assert path.read_bytes() == before
    assert names(path) == there


def test_a_folder_that_may_not_be_written_is_told(locked_folder: Path, path: Path, backup: Path) -> None:
    """In one line that names the queue, which is not changed."""
    path.parent.chmod(0o755)
    backup.chmod(0o644)
    mine = locked_folder / "queue.db"
    before = mine.read_bytes()
    with (
        unprivileged(),
        pytest.raises(StoreError, match=f"^{mine}: the file or its folder is read-only; this"),
    ):
        restore(mine, backup)
    assert mine.read_bytes() == before
    assert names(mine) == ["queue.db"]


def test_a_backup_on_a_disk_that_may_not_be_written_is_restored(locked_folder: Path, path: Path) -> None:
    """Nothing is written beside it, also if it is a queue that was copied when nobody had it open."""
    with unprivileged():
        folder = path.parent
    folder.chmod(0o777)
    with unprivileged():
        assert restore(path, locked_folder / "queue.db").before is Before.MISSING
    assert names(locked_folder / "queue.db") == ["queue.db"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchall() == [(1,)]
