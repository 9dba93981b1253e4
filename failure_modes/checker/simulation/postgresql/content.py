"""The content of a PostgreSQL database, as a value: see `failure_modes/checker/simulation/content.py`."""

from functools import cache
from typing import Any

import psycopg

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.subject import Layout

SEQUENCES = "sequences"

Connection = psycopg.Connection[tuple[Any, ...]]


def read_content(connection: Connection, layout: Layout, *, audit: bool = False) -> Content:
    """The present rows of the tables of the state, and the last id of each numbered table.

    `audit`: read the audit, too, before the last ids.
    """
    tables = (*layout.tables, layout.audit) if audit and layout.audit is not None else layout.tables
    last_ids = " UNION ALL ".join(
        [f"SELECT '{table}', last_value, is_called FROM {table}_id_seq" for table in layout.numbered]
    )
    queries = {table: f"SELECT * FROM {table} ORDER BY id" for table in tables}
    if last_ids:
        queries[SEQUENCES] = last_ids
    cursor = connection.execute(";".join(queries.values()))
    found = []
    for table in queries:
        found.append((table, tuple(cursor.fetchall())))
        cursor.nextset()
    return tuple(found)


def everything(connection: Connection, layout: Layout) -> Content:
    """The rows of every table, with the audit and the last ids."""
    return read_content(connection, layout, audit=True)


def columns_of(connection: Connection, layout: Layout) -> dict[str, tuple[str, ...]]:
    """The columns of each table of the state, in their order."""
    return {
        table: tuple(
            [column.name for column in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]
        )
        for table in layout.tables
    }


def write_content(
    connection: Connection, layout: Layout, wanted: Content, present: Content, *, empty_audit: bool
) -> None:
    """Change the present content to the wanted one. Only the rows that differ are written.

    Empty the audit if `empty_audit` is true. The foreign keys are not checked meanwhile, since no order of
    the statements would satisfy them; so the role must be a superuser.
    """
    cursor = psycopg.ClientCursor(connection)
    removed = [f"DELETE FROM {layout.audit}"] if empty_audit and layout.audit is not None else []
    added: list[str] = []
    for (table, rows), (_, old) in zip(wanted, present, strict=True):
        if rows == old:
            continue
        if table == SEQUENCES:
            added += [f"SELECT setval('{name}_id_seq', {last}, {called})" for name, last, called in rows]
            continue
        kept, known = set(rows), set(old)
        removed += [f"DELETE FROM {table} WHERE id = {row[0]}" for row in old if row not in kept]
        added += [cursor.mogrify(_insert(table, len(row)), row) for row in rows if row not in known]
    if removed or added:
        statements = ["BEGIN", "SET LOCAL session_replication_role = replica", *removed, *added, "COMMIT"]
        connection.execute(";".join(statements))


@cache
def _insert(table: str, width: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join(['%s'] * width)})"
