"""A SQLite connection that pauses its process at each boundary."""

import sqlite3
from typing import Any

from failure_modes.checker.simulation.stepping import (
    Row,
    RowsOfStatement,
    StatementResult,
    SteppedProcess,
    SteppingConnection,
    verb_of,
)
from failure_modes.checker.support import temporary


def open_sqlite(target: str) -> sqlite3.Connection:
    """Open a connection in autocommit mode that waits for no lock: the caller pauses the process instead.

    `target` is a path or a URI. Text in the database need not be valid UTF-8.
    """
    connection = sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class SQLiteStepping(SteppingConnection):
    """A SQLite connection of one virtual process. Its set-up statements are the PRAGMAs."""

    def __init__(
        self, connection: sqlite3.Connection, process: SteppedProcess, set_up: set[str] | None = None
    ) -> None:
        """`set_up` has the set-up statements that ran on the connection before: they do not run again."""
        super().__init__(process)
        self._connection = connection
        self._ran_before = set() if set_up is None else set_up
        self._changes_before = 0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def kill(self, *, close: bool) -> bool:
        """Roll back, as the death of the process does. Returns True if a transaction was open."""
        held = self.holds
        if held:
            self._connection.rollback()
        if close:
            self._connection.close()
        return held

    def commit_open_transaction(self) -> None:
        """Commit the open transaction. No crash does this: a canary needs it."""
        self._connection.execute("COMMIT")

    def _sets_up(self, sql: str) -> bool:
        return verb_of(sql) == "PRAGMA"

    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """Run a PRAGMA once for each connection: each one makes SQLite prepare all statements again."""
        if sql in self._ran_before:
            return RowsOfStatement(StatementResult(sql, ()))
        if "=" in sql:
            self._ran_before.add(sql)
        return self._connection.execute(sql, parameters)

    def _begins(self) -> None:
        self._changes_before = self._connection.total_changes

    def _changed(self) -> bool:
        return self._connection.total_changes != self._changes_before

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult | None:
        """Run the statement to its end. Returns None if another process holds a lock that it needs."""
        columns: tuple[str, ...] = ()
        rows: tuple[Row, ...] = ()
        lastrowid, problem = None, None
        try:
            cursor = self._connection.execute(sql, parameters)
            if cursor.description:
                columns = tuple([column[0] for column in cursor.description])
                rows = tuple(cursor.fetchall())
            if verb_of(sql) == "INSERT":
                lastrowid = cursor.lastrowid
        except sqlite3.OperationalError as error:
            no_room = temporary.no_room_in(error)
            if no_room is not None:
                self._process.refuse(no_room)
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None
        except sqlite3.IntegrityError as error:
            problem = str(error), error.sqlite_errorcode
        return StatementResult(
            sql, parameters, columns, rows, lastrowid, problem, self._connection.in_transaction
        )

    def _lost_reply(self) -> tuple[str, int | str]:
        """The error of a COMMIT that ran and whose reply was lost."""
        return "disk I/O error", sqlite3.SQLITE_IOERR

    def _error(self, text: str, code: int | str) -> Exception:
        kind = sqlite3.OperationalError if code == sqlite3.SQLITE_IOERR else sqlite3.IntegrityError
        error = kind(text)
        error.sqlite_errorcode = int(code)
        return error
