"""Stores that are broken where they open a file: what `test_file_walk.py` must find."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from system.sqlite import SQLiteStore
from system.sqlite.schema import APPLICATION_ID
from system.store import Transaction


class UsesNoTransaction(SQLiteStore):
    """Creates and upgrades statement by statement."""

    def _check_or_create(self, connection: Any, *, create: bool) -> None:
        super()._check_or_create(_NoTransaction(connection), create=create)  # type: ignore[arg-type]


class _NoTransaction:
    """A connection whose transactions are not begun."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run the statement, unless it begins or ends a transaction."""
        if sql in ("BEGIN IMMEDIATE", "COMMIT"):
            sql, parameters = "SELECT 1", ()
        return self._connection.execute(sql, parameters)


class MarksFirst(SQLiteStore):
    """Says that the file is a queue before it makes the tables."""

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        super()._use_wal(connection)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


class _FirstLook:
    """A connection that answers what the version was when it was first read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version: list[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run the statement; read the version once, until it is written."""
        if sql != "PRAGMA user_version":
            self._version = None if sql.startswith("PRAGMA user_version =") else self._version
            return self._connection.execute(sql, parameters)
        if self._version is None:
            self._version = self._connection.execute(sql).fetchall()
        return _Answer(self._version)


class _Answer(list[Any]):
    """Rows that were read before."""

    def fetchall(self) -> list[Any]:
        """The rows."""
        return self


class TrustsTheFirstLook(SQLiteStore):
    """Upgrades from the version that the file had before the transaction began."""

    def _is_ours(self, connection: Any) -> bool:
        return super()._is_ours(_FirstLook(connection))  # type: ignore[arg-type]


class ChecksTheVersionBefore(SQLiteStore):
    """Checks the version before the transaction begins, and not in it."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:  # type: ignore[override]
        """Check, and then begin."""
        with self._connections.one() as connection:
            super()._check_version(connection)
        with super().transaction() as tx:
            yield tx

    def _check_version(self, connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            super()._check_version(connection)
