"""The content of a SQLite database, as a value from which the database is restored.

The subject declares which tables make up its state. The audit is no part of it: with the audit, each history
would be a state of its own. The audit is read after each action and emptied by `write_content`. So a system
that reads or rewrites its audit cannot be explored, and is refused.
"""

import re
import sqlite3
from functools import cache
from typing import Any

from failure_modes.checker.simulation.stepping import Row, StatementResult
from failure_modes.checker.simulation.subject import Layout
from failure_modes.checker.support.errors import SubjectError

LAST_IDS = "sqlite_sequence"
"""The table with the last id of each numbered table."""

Content = tuple[tuple[str, tuple[Row, ...]], ...]
"""The name and the rows of each table of the state. The first column of a row is its id."""


class Unexplorable(SubjectError):
    """The explorer cannot explore this system correctly. The message says why."""


def read_content(connection: sqlite3.Connection, layout: Layout) -> Content:
    """The present rows of the tables of the state, and the last id of each numbered table."""
    found = [(table, tuple(connection.execute(_select(table)).fetchall())) for table in layout.tables]
    if layout.numbered:
        found.append((LAST_IDS, tuple(connection.execute(_SELECT_LAST_IDS, (layout.audit,)).fetchall())))
    return tuple(found)


def everything(connection: sqlite3.Connection) -> Content:
    """The name and the rows of every table, with the audit and the last ids."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return tuple(
        [
            (name, tuple(connection.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()))
            for (name,) in tables.fetchall()
        ]
    )


def refill(connection: sqlite3.Connection, wanted: Content) -> None:
    """Let every table have the wanted rows, and no other. No process may have a transaction open."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for table, rows in sorted(wanted, key=lambda pair: pair[0] == LAST_IDS):  # inserts change the last ids
        connection.execute(f"DELETE FROM {table}")
        for row in rows:
            connection.execute(_insert(table, len(row)), row)
    connection.execute("COMMIT")


def columns_of(connection: sqlite3.Connection, layout: Layout) -> dict[str, tuple[str, ...]]:
    """The columns of each table of the state."""
    return {
        table: tuple([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
        for table in layout.tables
    }


def write_content(
    connection: sqlite3.Connection,
    layout: Layout,
    wanted: Content,
    present: Content,
    columns: dict[str, tuple[str, ...]],
    *,
    empty_audit: bool = True,
) -> None:
    """Change the present content to the wanted one. Only the values that differ are written.

    Empty the audit if `empty_audit` is true. `columns` are those of each table.

    Rows are deleted first, so that few new rows meet an old one with the same key. A row is inserted after
    the rows that it refers to, and deleted before them. Where this order does not work, as for two rows that
    have exchanged their keys, a second, slower try lets SQLite check the constraints at the end.
    """
    try:
        _write(connection, layout, wanted, present, columns, empty_audit=empty_audit, deferred=False)
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK")
        _write(connection, layout, wanted, present, columns, empty_audit=empty_audit, deferred=True)


def _write(
    connection: sqlite3.Connection,
    layout: Layout,
    wanted: Content,
    present: Content,
    columns: dict[str, tuple[str, ...]],
    *,
    empty_audit: bool,
    deferred: bool,
) -> None:
    audit = layout.audit if empty_audit else None
    tables = len(layout.tables)
    pairs = [(table, rows, old) for (table, rows), (_, old) in zip(wanted, present, strict=True)][:tables]
    connection.execute("BEGIN IMMEDIATE")
    if deferred:
        connection.execute("PRAGMA defer_foreign_keys = ON")
    if audit is not None:
        connection.execute(f"DELETE FROM {audit}")
    for table, rows, old in reversed(pairs):
        if rows != old:
            kept = {row[0] for row in rows}
            for row in old:
                if row[0] not in kept:
                    connection.execute(_delete(table), row[:1])
    for table, rows, old in pairs:
        if rows != old:
            known = {row[0]: row for row in old}
            for row in rows:
                before = known.get(row[0])
                if before is None or deferred:
                    connection.execute(_insert(table, len(row)), row)
                elif before != row:
                    differ = tuple([place for place in range(len(row)) if row[place] != before[place]])
                    values = [row[place] for place in differ]
                    connection.execute(_update(table, columns[table], differ), (*values, row[0]))
    if layout.numbered:
        if audit is not None:
            connection.execute(_DELETE_LAST_ID, (audit,))
        last_ids: dict[Any, Any] = dict(present[-1][1])
        wants: dict[Any, Any] = dict(wanted[-1][1])  # the inserts above may have raised some last ids
        for table in last_ids | wants:
            if table in last_ids and table in wants:
                if last_ids[table] != wants[table]:
                    connection.execute(_UPDATE_LAST_ID, (wants[table], table))
            else:
                connection.execute(_DELETE_LAST_ID, (table,))
                if table in wants:
                    connection.execute(_insert(LAST_IDS, 2), (table, wants[table]))
    connection.execute("COMMIT")


_SELECT_LAST_IDS = f"SELECT name, seq FROM {LAST_IDS} WHERE name IS NOT ? ORDER BY name"
_DELETE_LAST_ID = f"DELETE FROM {LAST_IDS} WHERE name = ?"


_UPDATE_LAST_ID = f"UPDATE {LAST_IDS} SET seq = ? WHERE name = ?"


@cache
def _update(table: str, columns: tuple[str, ...], places: tuple[int, ...]) -> str:
    return f"UPDATE {table} SET {', '.join([f'{columns[at]} = ?' for at in places])} WHERE rowid = ?"


@cache
def _select(table: str) -> str:
    return f"SELECT * FROM {table} ORDER BY rowid"


@cache
def _insert(table: str, width: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join(['?'] * width)})"


@cache
def _delete(table: str) -> str:
    return f"DELETE FROM {table} WHERE rowid = ?"


@cache
def _uses(audit: str, sql: str) -> bool:
    return re.search(rf"\b{audit}\b", sql.replace(f"INSERT INTO {audit}", "", 1)) is not None


def unexplorable(ran: StatementResult, layout: Layout) -> Unexplorable | None:
    """The error for a statement that uses the audit, which `write_content` empties; else None."""
    if layout.audit is not None and _uses(layout.audit, ran.sql):
        return Unexplorable(f"the system reads or rewrites its audit: {ran.sql[:80]}")
    return None
