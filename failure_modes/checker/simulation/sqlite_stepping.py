"""A SQLite connection that pauses the process that uses it."""

import sqlite3
from typing import Any

from failure_modes.checker.simulation.stepping import Answer, Ran, Row, Stepped, SteppingConnection, verb_of
from failure_modes.checker.support import temporary


def open_sqlite(target: str) -> sqlite3.Connection:
    """Open a connection in autocommit, which waits for no lock: whoever meets one is paused.

    `target` is a URI. Text that is none is read as it is: what stands in a file may be anything.
    """
    connection = sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class SQLiteStepping(SteppingConnection):
    """A SQLite connection of one virtual process. PRAGMAs set up."""

    def __init__(
        self, connection: sqlite3.Connection, process: Stepped, set_up: set[str] | None = None
    ) -> None:
        """`set_up` are the settings that were made on the connection; they are not made again."""
        super().__init__(process)
        self._connection = connection
        self._made = set() if set_up is None else set_up
        self._changes_before = 0

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def kill(self, *, close: bool) -> bool:
        """End as a dead process does: what it had not committed is gone. Returns whether it held a lock."""
        held = self.holds
        if held:
            self._connection.rollback()
        if close:
            self._connection.close()
        return held

    def commit_what_was_begun(self) -> None:
        """What no crash does."""
        self._connection.execute("COMMIT")

    def _sets_up(self, sql: str) -> bool:
        return verb_of(sql) == "PRAGMA"

    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """Each setting costs every prepared statement, so it is made once a connection."""
        if sql in self._made:
            return Answer(Ran(sql, ()))
        if "=" in sql:
            self._made.add(sql)
        return self._connection.execute(sql, parameters)

    def _begins(self) -> None:
        self._changes_before = self._connection.total_changes

    def _changed(self) -> bool:
        return self._connection.total_changes != self._changes_before

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """Run it to its end. None when another process holds a lock that it needs."""
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
        return Ran(sql, parameters, columns, rows, lastrowid, problem, self._connection.in_transaction)

    def _error(self, text: str, code: int | str) -> Exception:
        error = sqlite3.IntegrityError(text)
        error.sqlite_errorcode = int(code)
        return error
