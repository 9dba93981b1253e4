"""Queues as older versions of the program left them, from the texts of their schemas."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

from system.postgresql.transaction import digest_of
from tests.system import files
from tests.system.databases import Database, PostgreSQL, SQLite

TEXTS = Path(__file__).with_name("old_schemas")
NEXT_ID = 58
"""The id that each table with ids of its own gives next."""

COLUMNS = {
    "jobs": "id, key, payload, attempts_max, enqueued_at, available_at",
    "executions": "id, job_id, attempt, worker, status, lease_expires_at",
    "effects": "id, job_id, execution_id, value",
    "audit": "id, at, actor, operation, event, job_id, execution_id, before, after, reason, detail",
}
LIMITS = {"retries": "id, begun_at", "breaker": "id, failures, open_until_at"}
"""Tables that version 1 on SQLite does not have."""

_LIMITS = (
    "INSERT INTO retries (id, begun_at) VALUES (1, 900), (3, 901), (4, 901);"
    "INSERT INTO breaker (id, failures, open_until_at) VALUES (1, 2, 31004);"
)

Rows = dict[str, list[tuple[Any, ...]]]


@frozen(kw_only=True)
class OldQueue:
    """A queue of an older version, with rows of every kind."""

    database: Database
    version: int
    wanted: int
    """The version of this program."""

    @property
    def columns(self) -> dict[str, str]:
        """Each table that it has, with its columns."""
        return COLUMNS if (self.version, self.wanted) == (1, 3) else COLUMNS | LIMITS

    def rows(self) -> Rows:
        """What the old columns of each table hold."""
        return {
            table: self.database.rows(f"SELECT {columns} FROM {table} ORDER BY id")
            for table, columns in self.columns.items()
        }

    def whole(self) -> tuple[object, ...]:
        """All of it: the schema with its version, and the rows."""
        return catalogue(self.database), self.rows()

    def run(self, *statements: str) -> None:
        """Change it as another program may, in one transaction, without a look at what refers to what."""
        run(self.database, *statements)


def old_sqlite(path: Path, version: int) -> OldQueue:
    """A file of version 1 or 2."""
    files.run(path, (TEXTS / f"sqlite_{version}.sql").read_text())
    files.run(path, (TEXTS / "rows.sql").read_text() + (_LIMITS if version > 1 else ""))
    files.run(path, f"UPDATE sqlite_sequence SET seq = {NEXT_ID - 1}")
    return OldQueue(database=SQLite(path), version=version, wanted=3)


def old_postgresql(dsn: str) -> OldQueue:
    """A database of version 1."""
    with psycopg.connect(dsn) as connection:
        connection.execute((TEXTS / "postgresql_1.sql").read_text())
        connection.execute((TEXTS / "rows.sql").read_text() + _LIMITS)
        for (key,) in connection.execute("SELECT key FROM jobs WHERE key IS NOT NULL").fetchall():
            connection.execute("UPDATE jobs SET key_digest = %s WHERE key = %s", (digest_of(key), key))
        for table in COLUMNS:
            sequence = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {NEXT_ID - 1})"
            connection.execute(sequence)
        connection.execute("SELECT setval(pg_get_serial_sequence('retries', 'id'), 4)")
    return OldQueue(database=PostgreSQL(dsn), version=1, wanted=2)


def run(database: Database, *statements: str) -> None:
    """Change a database behind the queue's back, in one transaction."""
    if isinstance(database, SQLite):
        with closing(sqlite3.connect(database.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return
    assert isinstance(database, PostgreSQL)
    with psycopg.connect(database.dsn) as server:
        for statement in statements:
            server.execute(statement)


_CATALOGUE = (
    "SELECT c.relname, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
    " a.attidentity, pg_get_expr(d.adbin, d.adrelid)"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
    " AND NOT a.attisdropped ORDER BY 1, 3",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
    " WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1, 2",
    "SELECT relname, relkind, reloptions FROM pg_class"
    " WHERE relnamespace = current_schema()::regnamespace ORDER BY 1",
)


def catalogue(database: Database) -> list[list[tuple[Any, ...]]]:
    """The schema: on SQLite each text of it, on PostgreSQL columns, constraints, indexes and options."""
    if isinstance(database, SQLite):
        questions: tuple[str, ...] = (
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
            "PRAGMA application_id",
            "PRAGMA user_version",
            "PRAGMA journal_mode",
        )
    else:
        questions = (*_CATALOGUE, "SELECT version FROM queue_schema")
    return [database.rows(question) for question in questions]


def next_ids(database: Database) -> dict[str, int]:
    """The id that each table gives next."""
    if isinstance(database, SQLite):
        return {name: last + 1 for name, last in database.rows("SELECT name, seq FROM sqlite_sequence")}
    return {
        table: database.rows(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))")[0][0]
        for table in COLUMNS
    }
