"""A backup of a queue, and its restoration beneath the stores that have the queue open."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg

from system.postgresql.schema import TABLES
from tests.system.databases import Database, PostgreSQL, SQLite

Restore = Callable[[], None]


def backup(database: Database) -> Restore:
    """Make a backup now. What it returns puts the queue back to it, with the ids that come next."""
    if isinstance(database, SQLite):
        return _of_file(database.path)
    assert isinstance(database, PostgreSQL)
    return _of_server(database.dsn)


def _of_file(path: Path) -> Restore:
    copy = path.with_name(f"{path.name}.backup")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)

    def restore() -> None:
        with closing(sqlite3.connect(copy)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)

    return restore


_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"


def _of_server(dsn: str) -> Restore:
    with psycopg.connect(dsn) as connection:
        tables = {table: _copied(connection, table) for table in TABLES}
        sequences = connection.execute(_SEQUENCES).fetchall()

    def restore() -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute(f"TRUNCATE {', '.join(TABLES)}")
            for table, rows in tables.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN") as to:
                    to.write(rows)
            for name, last in sequences:
                connection.execute("SELECT setval(%s, %s, %s)", (name, last or 1, last is not None))

    return restore


def _copied(connection: psycopg.Connection[tuple[object, ...]], table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
        return b"".join([bytes(part) for part in rows])
