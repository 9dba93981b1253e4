"""The content of a PostgreSQL store, as a value: see `failure_modes/checker/simulation/content.py`."""

from functools import cache
from typing import Any

import psycopg

from failure_modes.checker.simulation.content import AUDIT, Content
from failure_modes.checker.simulation.postgresql.database import COUNTED, TABLES

SEQUENCES = "sequences"
KEPT = (*[table for table in TABLES if table != AUDIT], SEQUENCES)
"""The tables that a content is of, in an order in which none refers to a later one."""

_GIVEN = " UNION ALL ".join(
    [f"SELECT '{table}', last_value, is_called FROM {table}_id_seq" for table in COUNTED if table != AUDIT]
)

Connection = psycopg.Connection[tuple[Any, ...]]


def read_content(connection: Connection, tables: tuple[str, ...] = KEPT) -> Content:
    """What is in the store now: the tables, and the last ids that were given."""
    cursor = connection.execute(";".join([_reading(table) for table in tables]))
    found = []
    for table in tables:
        found.append((table, tuple(cursor.fetchall())))
        cursor.nextset()
    return tuple(found)


def everything(connection: Connection) -> Content:
    """The rows of every table, the audit and the last ids that were given among them."""
    return read_content(connection, (*TABLES, SEQUENCES))


def columns_of(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The columns of each table, in their order."""
    return {
        table: tuple(
            [column.name for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]
        )
        for table in KEPT
        if table != SEQUENCES
    }


def write_content(connection: Connection, wanted: Content, present: Content, *, audited: bool) -> None:
    """Make the content what is wanted, by the rows that differ from what is present. Empty the audit.

    What rows refer to is not checked meanwhile, for which the role must be a superuser: no order would do.
    """
    cursor = psycopg.ClientCursor(connection)
    removed = [f"DELETE FROM {AUDIT}"] if audited else []
    added: list[str] = []
    pairs = [(table, rows, old) for (table, rows), (_, old) in zip(wanted, present, strict=True)]
    for table, rows, old in pairs[:-1]:
        if rows != old:
            kept, known = set(rows), set(old)
            removed += [f"DELETE FROM {table} WHERE id = {row[0]}" for row in old if row not in kept]
            added += [cursor.mogrify(_writing(table, len(row)), row) for row in rows if row not in known]
    if pairs[-1][1] != pairs[-1][2]:
        added += [f"SELECT setval('{name}_id_seq', {last}, {called})" for name, last, called in pairs[-1][1]]
    if removed or added:
        told = ["BEGIN", "SET LOCAL session_replication_role = replica", *removed, *added, "COMMIT"]
        connection.execute(";".join(told))


@cache
def _reading(table: str) -> str:
    return _GIVEN if table == SEQUENCES else f"SELECT * FROM {table} ORDER BY id"


@cache
def _writing(table: str, width: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join(['%s'] * width)})"
