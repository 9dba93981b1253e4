"""The content of a store, as a value: how a world is put back to a state that it was in.

The audit is left out: it is read after each action and then taken away, since it would make every history
a state of its own. So a system that reads or rewrites its audit cannot be explored, and is refused.
"""

import re
import sqlite3
from functools import cache
from typing import Any

from failure_modes.checker.simulation.stepping import Ran, Row
from failure_modes.checker.support.errors import SubjectError

AUDIT = "audit"
_SEQUENCE = "sqlite_sequence"

Content = tuple[tuple[str, tuple[Row, ...]], ...]
"""The rows of each table but the audit, by its name. The first column of each is its rowid."""


class Unexplorable(SubjectError):
    """The system does what the explorer cannot account for. The message says what."""


def read_content(connection: sqlite3.Connection, tables: tuple[str, ...]) -> Content:
    """What is in the store now: the tables, and the last ids that were given."""
    return tuple([(table, tuple(connection.execute(_reading(table)).fetchall())) for table in tables])


def everything(connection: sqlite3.Connection) -> Content:
    """The rows of every table, the audit and the last ids that were given among them, by its name."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return tuple(
        [
            (name, tuple(connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()))
            for (name,) in tables.fetchall()
        ]
    )


def write_content(
    connection: sqlite3.Connection, wanted: Content, present: Content, *, audited: bool = True
) -> None:
    """Make the content what is wanted, by the rows that differ from what is present.

    Empty the audit, if it is `audited` that something happened.

    Rows that refer to others come after these, and go before them. Where two rows have exchanged their key
    no order will do, and the constraints wait for the end; that is left to the second try, being slower.
    """
    try:
        _write(connection, wanted, present, audited=audited, deferred=False)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        _write(connection, wanted, present, audited=audited, deferred=True)


def _write(
    connection: sqlite3.Connection, wanted: Content, present: Content, *, audited: bool, deferred: bool
) -> None:
    pairs = [(table, rows, old) for (table, rows), (_, old) in zip(wanted, present, strict=True)]
    connection.execute("BEGIN IMMEDIATE")
    if deferred:
        connection.execute("PRAGMA defer_foreign_keys = ON")
    if audited:
        connection.execute(f"DELETE FROM {AUDIT}")
    for table, rows, old in pairs[:-1]:
        if rows != old:
            known = set(old)
            for row in rows:
                if row not in known:
                    connection.execute(_writing(table, len(row)), row)
    for table, rows, old in reversed(pairs[:-1]):
        if rows != old:
            kept = {row[0] for row in rows}
            for row in old:
                if row[0] not in kept:
                    connection.execute(_removing(table), row[:1])
    if audited:
        connection.execute(f"DELETE FROM {_SEQUENCE} WHERE name = '{AUDIT}'")
    given: dict[Any, Any] = dict(present[-1][1])
    wants: dict[Any, Any] = dict(wanted[-1][1])  # the inserts above may have moved some on
    for table in given | wants:
        if given.get(table) != wants.get(table):
            connection.execute(f"DELETE FROM {_SEQUENCE} WHERE name = ?", (table,))
            if table in wants:
                connection.execute(_writing(_SEQUENCE, 2), (table, wants[table]))
    connection.execute("COMMIT")


def tables_of(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The tables of the store but for the audit, in the order of their creation: none refers to a later one.

    The last is the one of the ids that were given.
    """
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN (?, ?) ORDER BY rowid",
        (AUDIT, _SEQUENCE),
    )
    return (*[name for (name,) in rows], _SEQUENCE)


@cache
def _reading(table: str) -> str:
    if table == _SEQUENCE:
        return f"SELECT name, seq FROM {_SEQUENCE} WHERE name <> '{AUDIT}' ORDER BY name"
    return f"SELECT * FROM {table} ORDER BY rowid"


@cache
def _writing(table: str, width: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join(['?'] * width)})"


@cache
def _removing(table: str) -> str:
    return f"DELETE FROM {table} WHERE rowid = ?"


@cache
def _uses_audit(sql: str) -> bool:
    return re.search(rf"\b{AUDIT}\b", sql.replace(f"INSERT INTO {AUDIT}", "", 1)) is not None


def unexplorable(ran: Ran) -> Unexplorable | None:
    """Why a system that ran this cannot be explored: it depends on what was taken away. Else None."""
    if _uses_audit(ran.sql):
        return Unexplorable(f"the system reads or rewrites its audit: {ran.sql[:80]}")
    return None
