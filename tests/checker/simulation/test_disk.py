"""The disk: each file operation is watched, and a power loss follows the rules."""

import random
import sqlite3
from pathlib import Path

import pytest

from failure_modes.checker.simulation.disk.images import files_of
from failure_modes.checker.simulation.disk.operations import (
    Create,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Write,
)
from failure_modes.checker.simulation.disk.vfs import require, watched_target, watching
from failure_modes.checker.simulation.disk.volatile import (
    Disk,
    disk_of,
    keep_all,
    keep_sectors_of,
    keep_some_of,
    keep_synced_only,
)

require()  # skips this file, with the reason, if file operations cannot be watched


class Watched:
    """Follows the disk of a database."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.operations: list[Operation] = []

    def watch(self, operation: Operation) -> int:
        """Apply the operation."""
        self.operations.append(operation)
        self.disk = self.disk.after(operation)
        return 0


def _after(*operations: Operation) -> Disk:
    disk = disk_of({"": b"0123456789"})
    for operation in operations:
        disk = disk.after(operation)
    return disk


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL", "FULL", "EXTRA"])
@pytest.mark.parametrize("journal", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_the_watched_operations_give_the_files(tmp_path: Path, journal: str, synchronous: str) -> None:
    """The watched operations alone give the same files, byte for byte, after each statement."""
    path, watched = tmp_path / "queue.db", Watched()
    chance = random.Random(f"{journal} {synchronous}")
    with watching(path, watched.watch):
        target = watched_target(path.absolute().as_uri())
        connection = sqlite3.connect(target, uri=True, isolation_level=None)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA wal_autocheckpoint = 5")
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)")
        for _ in range(40):
            statement = chance.choice(
                [
                    f"INSERT INTO things (text) VALUES (hex(zeroblob({chance.randrange(3000)})))",
                    "DELETE FROM things WHERE id % 3 = 0",
                    "UPDATE things SET text = text || 'x'",
                    "VACUUM",
                ]
            )
            connection.execute(statement)
            assert watched.disk.image(keep_all) == files_of(path)
        connection.close()
        assert watched.disk.image(keep_all) == files_of(path)
    kinds = {type(operation) for operation in watched.operations}
    assert {Create, Write} <= kinds
    assert (Sync in kinds) == (synchronous != "OFF")


def test_an_error_of_a_watcher_is_not_lost(tmp_path: Path) -> None:
    """An error of the watcher makes the operation fail, and is raised at the end."""

    def watch(operation: Operation) -> int:
        raise LookupError(f"{operation} is not known")

    def use(path: Path) -> None:
        with watching(path, watch):
            connection = sqlite3.connect(watched_target(path.absolute().as_uri()), uri=True)
            with pytest.raises(sqlite3.OperationalError):
                connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
            connection.close()

    with pytest.raises(LookupError, match="is not known"):
        use(tmp_path / "queue.db")


def test_other_databases_are_not_watched(tmp_path: Path) -> None:
    """Only the named database is watched, and none after the end."""
    watched, other = Watched(), Watched()
    with watching(tmp_path / "one.db", watched.watch):
        for name in ("one.db", "another.db"):
            _make(tmp_path / name)
    seen = len(watched.operations)
    with watching(tmp_path / "another.db", other.watch):
        _make(tmp_path / "third.db")
    assert seen == len(watched.operations) > 0
    assert other.operations == []


def _make(path: Path) -> None:
    connection = sqlite3.connect(watched_target(path.absolute().as_uri()), uri=True)
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
    connection.close()


def test_a_write_is_kept_once_its_file_is_synced() -> None:
    """A write may be lost until its file is synced."""
    write = Write("", 2, b"ab")
    assert _after(write).image(keep_all) == {"": b"01ab456789"}
    assert _after(write).image(keep_synced_only) == {"": b"0123456789"}
    assert _after(write, Sync("")).image(keep_synced_only) == {"": b"01ab456789"}
    assert not _after(write).all_kept
    assert _after(write, Sync("")).all_kept


def test_a_gap_before_a_write_is_zero() -> None:
    """A kept write after a lost one leaves a gap of zeros, and so does a file that is made longer."""
    assert _after(Write("", 12, b"z")).image(keep_all) == {"": b"0123456789\0\0z"}
    assert _after(Truncate("", 12)).image(keep_all) == {"": b"0123456789\0\0"}
    assert _after(Truncate("", 3)).image(keep_all) == {"": b"012"}


def test_a_file_is_there_once_its_folder_is_synced() -> None:
    """A new file is lost, and a removed file comes back, until the folder is synced."""
    made = (Create("-wal"), Write("-wal", 0, b"log"), Sync("-wal"))
    assert _after(*made).image(keep_synced_only) == {"": b"0123456789"}
    assert _after(*made, SyncFolder()).image(keep_synced_only) == {"": b"0123456789", "-wal": b"log"}
    gone = (*made, SyncFolder(), Unlink("-wal"))
    assert _after(*gone).image(keep_synced_only) == {"": b"0123456789", "-wal": b"log"}
    assert _after(*gone).image(keep_all) == {"": b"0123456789"}
    assert _after(*gone, SyncFolder()).image(keep_synced_only) == {"": b"0123456789"}
    assert _after(*gone, SyncFolder()).all_kept


def test_a_file_of_the_same_name_is_another_file() -> None:
    """A new file does not have the bytes of a removed file of the same name."""
    disk = _after(Create("-journal"), Write("-journal", 0, b"one"), Unlink("-journal"), Create("-journal"))
    assert disk.image(keep_all) == {"": b"0123456789", "-journal": b""}


def test_any_of_the_writes_may_be_lost() -> None:
    """Of two unsynced writes, each may be kept without the other."""
    disk = _after(Write("", 0, b"A"), Write("", 9, b"Z"))
    found = {disk.image(keep_some_of(random.Random(seed)))[""] for seed in range(40)}
    assert found == {b"0123456789", b"A123456789", b"012345678Z", b"A12345678Z"}


def test_a_write_may_be_torn_between_sectors_and_nowhere_else() -> None:
    """Each sector of 512 bytes is completely old or completely new, wherever the write begins."""
    disk = disk_of({"": bytes(2048)}).after(Write("", 500, b"x" * 600))
    found = {disk.image(keep_sectors_of(random.Random(seed)))[""] for seed in range(80)}
    sectors = [(500, 512), (512, 1024), (1024, 1100)]
    assert len(found) == 2 ** len(sectors)
    for content in found:
        assert [len(set(content[start:end])) for start, end in sectors] == [1, 1, 1]
        assert set(content[:500]) | set(content[1100:]) == {0}
