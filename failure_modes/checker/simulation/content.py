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
    empty_audit: bool,
) -> None:
    """Change the present content to the wanted one. Only the values that differ are written.

    Empty the audit if `empty_audit` is true. `columns` are those of each table.

    A unique index or a foreign key may refuse a row until another row is changed. Such a row is tried again
    after the others. Where each row waits for another, as two rows that exchange their keys, all rows of the
    tables that differ are replaced, and SQLite checks the foreign keys at the end.
    """
    last_ids = present[-1][1] if layout.numbered else ()
    pairs = [(table, rows, old) for (table, rows), (_, old) in zip(wanted, present, strict=True)]
    if layout.numbered:
        pairs.pop()
    connection.execute("BEGIN IMMEDIATE")
    if empty_audit and layout.audit is not None:
        connection.execute(f"DELETE FROM {layout.audit}")
    try:
        _write_in_turn(connection, [*_deletions(pairs), *_changes(pairs, columns)])
    except sqlite3.IntegrityError:
        connection.execute("PRAGMA defer_foreign_keys = ON")  # until the COMMIT
        for sql, values in (*_deletions(pairs), *_replacements(pairs)):
            connection.execute(sql, values)
    if layout.numbered:
        audit = layout.audit if empty_audit else None
        _write_last_ids(connection, dict(wanted[-1][1]), dict(last_ids), audit)
    connection.execute("COMMIT")


_Table = tuple[str, tuple[Row, ...], tuple[Row, ...]]
"""The name of a table, its wanted rows, and its present rows."""

_Statement = tuple[str, tuple[Any, ...]]
"""A statement, and its values."""


def _deletions(tables: list[_Table]) -> list[_Statement]:
    """Delete what is not wanted: rows that refer to others first."""
    found: list[_Statement] = []
    for table, rows, old in reversed(tables):
        if rows != old:
            kept = {row[0] for row in rows}
            found += [(_delete(table), row[:1]) for row in old if row[0] not in kept]
    return found


def _changes(tables: list[_Table], columns: dict[str, tuple[str, ...]]) -> list[_Statement]:
    """Insert what is missing, and update the values that differ: rows that refer to others last."""
    found: list[_Statement] = []
    for table, rows, old in tables:
        if rows == old:
            continue
        known = {row[0]: row for row in old}
        for row in rows:
            before = known.get(row[0])
            if before is None:
                found.append((_insert(table, len(row)), row))
            elif before != row:
                differ = tuple([place for place in range(len(row)) if row[place] != before[place]])
                values = [row[place] for place in differ]
                found.append((_update(table, columns[table], differ), (*values, row[0])))
    return found


def _replacements(tables: list[_Table]) -> list[_Statement]:
    """Write each wanted row of the tables that differ. A row that it conflicts with is deleted."""
    return [(_replace(table, len(row)), row) for table, rows, old in tables if rows != old for row in rows]


def _write_in_turn(connection: sqlite3.Connection, statements: list[_Statement]) -> None:
    """Run the statements; those that are refused again, after the others.

    Raises IntegrityError if each of them is refused.
    """
    while statements:
        refused = []
        for statement in statements:
            try:
                connection.execute(*statement)
            except sqlite3.IntegrityError:
                refused.append(statement)
                if len(refused) == len(statements):
                    raise
        statements = refused


def _write_last_ids(
    connection: sqlite3.Connection, wanted: dict[Any, Any], present: dict[Any, Any], audit: str | None
) -> None:
    """Write the last ids: inserts may have raised some. Forget that of `audit`, which was emptied."""
    if audit is not None:
        connection.execute(_DELETE_LAST_ID, (audit,))
    for table in present | wanted:
        if table in present and table in wanted:
            if present[table] != wanted[table]:
                connection.execute(_UPDATE_LAST_ID, (wanted[table], table))
        else:
            connection.execute(_DELETE_LAST_ID, (table,))
            if table in wanted:
                connection.execute(_insert(LAST_IDS, 2), (table, wanted[table]))


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
    return f"INSERT INTO {table} VALUES ({', '.join(['?'] * width)})"


@cache
def _replace(table: str, width: int) -> str:
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
