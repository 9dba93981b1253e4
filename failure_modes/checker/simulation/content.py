"""The content of a SQLite database, as a value: how a world is restored to a state that it was in.

The subject declares which tables make up its state. The audit is left out: it is read after each action and
then taken away, since it would make every history a state of its own. So a system that reads or rewrites its
audit cannot be explored, and is refused.
"""

import re
import sqlite3
from functools import cache
from typing import Any

from failure_modes.checker.simulation.stepping import Ran, Row
from failure_modes.checker.simulation.subject import Layout
from failure_modes.checker.support.errors import SubjectError

_SEQUENCE = "sqlite_sequence"

Content = tuple[tuple[str, tuple[Row, ...]], ...]
"""The rows of each table of the state, by its name. The first column of each is its id."""


class Unexplorable(SubjectError):
    """The system does what the explorer cannot account for. The message says what."""


def read_content(connection: sqlite3.Connection, layout: Layout) -> Content:
    """What is in the database now: the tables of the state, and the last ids that were given."""
    found = [(table, tuple(connection.execute(_reading(table)).fetchall())) for table in layout.tables]
    if layout.numbered:
        found.append((_SEQUENCE, tuple(connection.execute(_GIVEN, (layout.audit,)).fetchall())))
    return tuple(found)


def everything(connection: sqlite3.Connection) -> Content:
    """The rows of every table, the audit and the last ids that were given among them, by its name."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return tuple(
        [
            (name, tuple(connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()))
            for (name,) in tables.fetchall()
        ]
    )


def columns_of(connection: sqlite3.Connection, layout: Layout) -> dict[str, tuple[str, ...]]:
    """The columns of each table of the state."""
    return {
        table: tuple([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
        for table in layout.tables
    }


def write_content(
    connection: sqlite3.Connection, layout: Layout, wanted: Content, present: Content, *, audited: bool = True
) -> None:
    """Make the content what is wanted, by the rows that differ from what is present.

    Empty the audit, if it is `audited` that something happened.

    Rows that refer to others come after these, and go before them. Where two rows have exchanged their key
    no order will do, and the constraints wait for the end; that is left to the second try, being slower.
    """
    try:
        _write(connection, layout, wanted, present, audited=audited, deferred=False)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        _write(connection, layout, wanted, present, audited=audited, deferred=True)


def _write(
    connection: sqlite3.Connection,
    layout: Layout,
    wanted: Content,
    present: Content,
    *,
    audited: bool,
    deferred: bool,
) -> None:
    audit = layout.audit if audited else None
    tables = len(layout.tables)
    pairs = [(table, rows, old) for (table, rows), (_, old) in zip(wanted, present, strict=True)][:tables]
    connection.execute("BEGIN IMMEDIATE")
    if deferred:
        connection.execute("PRAGMA defer_foreign_keys = ON")
    if audit is not None:
        connection.execute(f"DELETE FROM {audit}")
    for table, rows, old in pairs:
        if rows != old:
            known = set(old)
            for row in rows:
                if row not in known:
                    connection.execute(_writing(table, len(row)), row)
    for table, rows, old in reversed(pairs):
        if rows != old:
            kept = {row[0] for row in rows}
            for row in old:
                if row[0] not in kept:
                    connection.execute(_removing(table), row[:1])
    if layout.numbered:
        if audit is not None:
            connection.execute(_FORGETTING, (audit,))
        given: dict[Any, Any] = dict(present[-1][1])
        wants: dict[Any, Any] = dict(wanted[-1][1])  # the inserts above may have moved some on
        for table in given | wants:
            if given.get(table) != wants.get(table):
                connection.execute(_FORGETTING, (table,))
                if table in wants:
                    connection.execute(_writing(_SEQUENCE, 2), (table, wants[table]))
    connection.execute("COMMIT")


_GIVEN = f"SELECT name, seq FROM {_SEQUENCE} WHERE name IS NOT ? ORDER BY name"
_FORGETTING = f"DELETE FROM {_SEQUENCE} WHERE name = ?"


@cache
def _reading(table: str) -> str:
    return f"SELECT * FROM {table} ORDER BY rowid"


@cache
def _writing(table: str, width: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join(['?'] * width)})"


@cache
def _removing(table: str) -> str:
    return f"DELETE FROM {table} WHERE rowid = ?"


@cache
def _uses(audit: str, sql: str) -> bool:
    return re.search(rf"\b{audit}\b", sql.replace(f"INSERT INTO {audit}", "", 1)) is not None


def unexplorable(ran: Ran, layout: Layout) -> Unexplorable | None:
    """Why a system that ran this cannot be explored: it depends on what was taken away. Else None."""
    if layout.audit is not None and _uses(layout.audit, ran.sql):
        return Unexplorable(f"the system reads or rewrites its audit: {ran.sql[:80]}")
    return None
