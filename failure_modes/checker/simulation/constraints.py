"""The constraints of a database, read from its schema: which other rows can refuse a row.

An INSERT or an UPDATE depends on rows that no query of it names: a unique index refuses a second row with the
same key, and a foreign key refuses a row whose parent is missing.
"""

import sqlite3
from collections.abc import Mapping

from attrs import frozen

from failure_modes.checker.simulation.subject import Layout


@frozen(kw_only=True)
class ForeignKey:
    """A column of a table, and the column of the parent table that must have its value."""

    column: str
    parent: str
    parent_column: str


@frozen(kw_only=True)
class TableConstraints:
    """The constraints of one table.

    `unique` has the first column of each unique index: two rows that differ in it never conflict. It is None
    for an index on an expression, or on text that is not compared byte by byte.
    """

    unique: tuple[str | None, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    comparable: Mapping[str, type]
    """The columns in which `=` of the database is `==` of Python, for values of that type."""


@frozen(kw_only=True)
class Constraints:
    """The constraints of each table of the state; and the columns to which foreign keys refer."""

    tables: Mapping[str, TableConstraints]
    parents: frozenset[tuple[str, str]]


def constraints_of(connection: sqlite3.Connection, layout: Layout) -> Constraints | None:
    """The constraints of the tables. None if a trigger could change any other row."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        return None
    names = layout.tables if layout.audit is None else (*layout.tables, layout.audit)
    collated = connection.execute("SELECT 1 FROM sqlite_schema WHERE sql LIKE '%COLLATE%'").fetchall()
    tables = {name: _of_table(connection, name, by_bytes=not collated) for name in names}
    keys = [key for table in tables.values() for key in table.foreign_keys]
    return Constraints(tables=tables, parents=frozenset([(key.parent, key.parent_column) for key in keys]))


def _of_table(connection: sqlite3.Connection, table: str, *, by_bytes: bool) -> TableConstraints:
    """The constraints of a table. `by_bytes`: every text of the database is compared byte by byte."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    kinds: dict[str, type] = {"INTEGER": int} | ({"TEXT": str} if by_bytes else {})
    comparable = {name: kinds[kind.upper()] for _, name, kind, *_ in columns if kind.upper() in kinds}
    unique: list[str | None] = []
    for _, index, is_unique, *_ in connection.execute(f"PRAGMA index_list({table})").fetchall():
        first = connection.execute(f"PRAGMA index_xinfo({index})").fetchall()[0]
        if is_unique:
            unique.append(first[2] if first[2] in comparable else None)
    return TableConstraints(
        unique=tuple(unique),
        foreign_keys=tuple(
            [
                ForeignKey(column=column, parent=parent, parent_column=to or "id")
                for _, _, parent, column, to, *_ in connection.execute(f"PRAGMA foreign_key_list({table})")
            ]
        ),
        comparable=comparable,
    )
