"""Hostile values on SQLite alone: its limit, null bytes, and the name of the file."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import StoreError, StoreUnavailable
from tests.system.databases import Database, SQLite
from tests.system.files import rows
from tests.system.test_hostile_input import SQL, plain
from tests.system.test_queue import leased, started


@pytest.fixture
def database(path: Path) -> Database:
    """A file."""
    return SQLite(path)


def test_what_is_larger_than_the_database_takes_is_refused(path: Path, clock: ManualClock) -> None:
    """SQLite has a limit (here lowered): the error names the file, and nothing is written."""

    def connect(target: str) -> sqlite3.Connection:
        connection = sqlite3.connect(target, isolation_level=None, uri=True)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
        return connection

    with closing(SQLiteStore(path, clock=clock, create=True, connect=connect)) as store:
        queue = Queue(store=store)
        with pytest.raises(StoreError, match=r"queue\.db: a text is longer than SQLite can keep$") as raised:
            queue.enqueue("x" * 1_000_000)
        assert not isinstance(raised.value, StoreUnavailable), "to try again is no use"
        assert queue.enqueue("x" * 900_000).id == 1
        held = started(queue)
        with pytest.raises(StoreError, match=r"queue\.db: a text is longer than SQLite can keep$"):
            queue.commit(held, "x" * 1_000_000)
        assert queue.commit(held, 1)


def test_sql_in_the_name_of_the_file_is_only_a_name(path: Path, clock: ManualClock) -> None:
    """Quotes, question marks and percent signs in it name that file, and no other is made."""
    for text in SQL[1:4]:
        named = path.with_name(text)
        with closing(SQLiteStore(named, clock=clock, create=True)) as store:
            Queue(store=store).enqueue(text)
        assert rows(named, "SELECT payload FROM jobs") == [(plain(text),)]
    assert sorted(entry.name for entry in path.parent.iterdir()) == sorted(SQL[1:4])


def test_a_null_byte_in_a_name_is_kept_and_sqlite_shows_what_stands_before_it(
    queue: Queue, path: Path
) -> None:
    """The bytes are whole and compared whole; SQLite's own functions, and so its shell, stop at the null."""
    queue.enqueue(1, key="a\x00b", actor="c\x00d")
    leased(queue, "e\x00f")
    assert rows(path, "SELECT key, length(key), hex(key) FROM jobs") == [("a\x00b", 1, "610062")]
    assert rows(path, "SELECT hex(actor) FROM audit") == [("630064",), ("650066",)]
    assert rows(path, "SELECT count(*) FROM jobs WHERE key = 'a'") == [(0,)]


def test_a_null_byte_in_the_name_of_the_file_is_refused(path: Path, clock: ManualClock) -> None:
    """SQLite would open the file of the name before it, so it is told instead, and none is made."""
    for create in (True, False):
        with pytest.raises(
            StoreError, match=r"queue\.db\\x00x': a null byte cannot be in the name of a file"
        ):
            SQLiteStore(f"{path}\x00x", clock=clock, create=create)
    assert list(path.parent.iterdir()) == []
