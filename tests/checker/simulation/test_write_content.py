"""A content is written over any other, whatever its constraints say about the order of the writes."""

import sqlite3
from itertools import product

import pytest

from failure_modes.checker.simulation.content import Content, columns_of, read_content, write_content
from failure_modes.checker.simulation.stepping import Row
from failure_modes.checker.simulation.subject import Layout

LAYOUT = Layout(tables=("parents", "children"), audit=None)
SCHEMA = """
CREATE TABLE parents (id INTEGER PRIMARY KEY, key TEXT UNIQUE, open INTEGER NOT NULL);
CREATE UNIQUE INDEX one_open ON parents (open) WHERE open = 1;
CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL UNIQUE REFERENCES parents (id));
PRAGMA foreign_keys = ON;
"""
PARENTS: tuple[tuple[Row, ...], ...] = (
    (),
    ((1, "a", 1),),
    ((2, "a", 0),),
    ((1, "a", 1), (2, "b", 0)),
    ((1, "a", 0), (2, "b", 1)),
    ((1, "b", 0), (2, "a", 1)),
    ((1, "b", 1), (2, "c", 0), (3, "a", 0)),
)


def _contents() -> list[Content]:
    """Each of the parents, with no child, with one of the first or the last, and with one of each."""
    found: list[Content] = []
    for parents in PARENTS:
        ids = [row[0] for row in parents]
        children: set[tuple[Row, ...]] = {()}
        if ids:
            children |= {((1, ids[0]),), ((1, ids[-1]),), ((4, ids[0]),)}
        if len(ids) > 1:
            children |= {((1, ids[0]), (2, ids[-1])), ((1, ids[-1]), (2, ids[0]))}
        found += [(("parents", parents), ("children", some)) for some in sorted(children)]
    return found


@pytest.fixture
def connection() -> sqlite3.Connection:
    """A database with these tables."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def _write(connection: sqlite3.Connection, wanted: Content) -> list[str]:
    """Write the content, and see that it is there. Returns the statements that ran."""
    ran: list[str] = []
    present, columns = read_content(connection, LAYOUT), columns_of(connection, LAYOUT)
    connection.set_trace_callback(ran.append)
    write_content(connection, LAYOUT, wanted, present, columns, empty_audit=True)
    connection.set_trace_callback(None)
    assert read_content(connection, LAYOUT) == wanted
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return ran


def test_each_content_is_written_over_each_other(connection: sqlite3.Connection) -> None:
    """All rows are there after it, and no other: 31 contents, each over each other."""
    contents = _contents()
    assert len(contents) == 31
    for there, here in product(contents, contents):
        _write(connection, there)
        _write(connection, here)


def test_a_row_waits_for_the_row_that_has_its_key(connection: sqlite3.Connection) -> None:
    """The new row is written after the update that frees its key. No row is lost, and none replaced."""
    _write(connection, (("parents", ((2, "a", 0),)), ("children", ((1, 2),))))
    ran = _write(connection, (("parents", ((1, "a", 0), (2, "b", 0))), ("children", ((1, 2),))))
    assert [sql.split()[0] for sql in ran] == ["BEGIN", "INSERT", "UPDATE", "INSERT", "COMMIT"]


def test_rows_that_exchange_their_keys_are_replaced(connection: sqlite3.Connection) -> None:
    """No order of updates keeps the constraints. So the foreign keys are checked at the end."""
    children = ((1, 1), (2, 2))
    _write(connection, (("parents", ((1, "a", 0), (2, "b", 0))), ("children", children)))
    ran = _write(connection, (("parents", ((1, "b", 0), (2, "a", 0))), ("children", children)))
    assert "PRAGMA defer_foreign_keys = ON" in ran
