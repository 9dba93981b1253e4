"""Upgrades a file of an older schema, in one transaction: wholly or not at all.

SQLite cannot add a rule to an existing table. So each table is made anew and filled from the old one.
A program of the older version that still has the file open cannot lease or enqueue after that: the rows it
would add lack a token.
"""

import sqlite3

from system.schema import BREACHES, Upgraded, breached, not_upgraded
from system.sqlite.errors import rule_of
from system.sqlite.schema import SCHEMA, SCHEMA_VERSION, TABLES

OLDEST = 1
"""The oldest version that can be brought up to this one. It lacks the tables of the limits."""

_COPY = {
    "jobs": (
        "id, key, payload, attempts_max, enqueued_at, available_at, timed, token",
        "id, key, payload, attempts_max, enqueued_at, available_at,"
        " EXISTS (SELECT 1 FROM old_executions e WHERE e.job_id = old_jobs.id), ''",
    ),
    "executions": (
        "id, job_id, attempt, worker, status, lease_expires_at, token",
        "id, job_id, attempt, worker, status, lease_expires_at, ''",
    ),
    "effects": ("id, job_id, execution_id, value",) * 2,
    "retries": ("id, begun_at",) * 2,
    "breaker": ("id, failures, open_until_at",) * 2,
    "audit": ("id, at, actor, operation, event, job_id, execution_id, before, after, reason, detail",) * 2,
}
"""For each table the new columns, and their values from the old ones."""


def upgrade(connection: sqlite3.Connection) -> Upgraded | None:
    """Bring the file up to this version; None if another process has done it. Within a transaction.

    Raises StoreError if the rows contradict what this version promises; then nothing is changed.
    """
    [(version,)] = connection.execute("PRAGMA user_version")
    if not OLDEST <= version < SCHEMA_VERSION:
        return None
    for rule, breach in BREACHES.items():
        for (job_id,) in connection.execute(breach):
            raise not_upgraded(version, SCHEMA_VERSION, breached(rule, job_id))
    old = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    tables = [table for table in TABLES if table in old]
    last_ids = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    for (index,) in connection.execute(indexes).fetchall():
        connection.execute(f"DROP INDEX {index}")
    for table in tables:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    for statement in SCHEMA:
        connection.execute(statement)
    for table in tables:
        new, of_old = _COPY[table]
        copy = f"INSERT INTO {table} ({new}) SELECT {of_old} FROM old_{table}"
        try:
            connection.execute(copy)
        except sqlite3.IntegrityError as error:
            why = f"{_bad_row(connection, table, copy)} is against a rule ({rule_of(error)})"
            raise not_upgraded(version, SCHEMA_VERSION, why) from error
    for table in reversed(tables):
        connection.execute(f"DROP TABLE old_{table}")
    for table, row_id, missing, _ in connection.execute("PRAGMA foreign_key_check"):
        why = f"row {row_id} of {table!r} refers to a row of {missing!r} that is not there"
        raise not_upgraded(version, SCHEMA_VERSION, why)
    for table, last_id in last_ids:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last_id))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return Upgraded(before=version, after=SCHEMA_VERSION)


def _bad_row(connection: sqlite3.Connection, table: str, copy: str) -> str:
    """The first row of the old table that cannot be copied, in words."""
    for (row_id,) in connection.execute(f"SELECT id FROM old_{table} ORDER BY id").fetchall():
        try:
            connection.execute(f"{copy} WHERE id = ?", (row_id,))
        except sqlite3.IntegrityError:
            return f"row {row_id} of {table!r}"
    return f"a row of {table!r}"
