"""The seam of SQLite: `sqlite3.connect` gives a connection that pauses its process before each statement.

The classes derive from those of `sqlite3`, so the implicit BEGIN, row factories, `with connection` and lazy
cursors behave as they do in a real process:

- A statement and its implicit BEGIN have one boundary: a deferred BEGIN takes no lock, so a pause between
  them shows nothing.
- The rows of a lazy cursor are fetched without a pause; the cursor stays open over later pauses and holds
  its locks.
- A statement that finds a lock is *blocked*: the process pauses, and the statement is tried again after
  another process has moved. When more simulated time than the timeout of the connection has passed, the
  error of SQLite is raised. A conflict that waiting cannot resolve (SQLITE_BUSY_SNAPSHOT) is raised at
  once, as SQLite does.
- With a rollback journal SQLite also raises at once where a reader wants to write while another connection
  waits for the readers. The seam cannot tell this from another lock: it raises after the timeout. The real
  processes have the same seam, and so do not show the difference.
- PRAGMA and `close` have no boundary.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import Stepped, current
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.support.errors import SubjectError

_CONNECT = sqlite3.connect
_TIMEOUT_SECONDS = 5.0
"""The timeout of `sqlite3.connect`, if none is given."""

_BUSY_TIMEOUT = re.compile(r"\s*PRAGMA\s+busy_timeout\s*(?:=|\()\s*(\d+)", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE(?:\s+IF\s+NOT\s+EXISTS)?)\s+[\[`\"']?(\w+)", re.IGNORECASE)
_VERBS_ALONE = ("BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT", "RELEASE")
_COMMENT = re.compile(r"\s*(?:--[^\n]*\n|/\*.*?\*/)", re.DOTALL)


class SQLiteSeam:
    """Replaces `sqlite3.connect`."""

    def installed(self) -> AbstractContextManager[None]:
        """Replace `sqlite3.connect` until the block ends."""
        return replaced({_CONNECT: _connect})


def _connect(database: Any, timeout: float = _TIMEOUT_SECONDS, *arguments: Any, **options: Any) -> Any:
    process = current()
    if process is None:
        return _CONNECT(database, timeout, *arguments, **options)
    if process.dead:
        raise Crashed
    if len(arguments) > 3 or "factory" in options:
        raise SubjectError("the seam of SQLite has connections of its own; connect without a factory")
    connection = _CONNECT(database, 0, *arguments, factory=_Connection, **options)
    connection.belong_to(process, timeout)
    return connection


class _Connection(sqlite3.Connection):
    """A connection of one process."""

    _owner: Stepped
    _timeout: float = _TIMEOUT_SECONDS

    def belong_to(self, process: Stepped, timeout: float) -> None:
        """Pause this process from now on."""
        self._owner, self._timeout = process, timeout
        process.at_death(super().close)

    def cursor(self, factory: Any = None) -> Any:
        """A cursor that pauses the process."""
        if factory is not None:
            raise SubjectError(
                "the seam of SQLite has cursors of its own; ask for a cursor without a factory"
            )
        return super().cursor(_Cursor)

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement in a new cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run a statement for each of the parameters, in a new cursor."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, script: str, /) -> Any:
        """Run a script in a new cursor."""
        return self.cursor().executescript(script)

    def commit(self) -> None:
        """Commit, with a boundary if a transaction is open."""
        if self.step_alive() and self.in_transaction:
            self.step("COMMIT", super().commit)

    def rollback(self) -> None:
        """Roll back, with a boundary if a transaction is open."""
        if self.step_alive() and self.in_transaction:
            self.step("ROLLBACK", super().rollback)

    def close(self) -> None:
        """Close the connection. The connection of a dead process is closed already."""
        if not self._owner.dead:
            super().close()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
        if kind is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except Exception:
            self.rollback()
            raise
        return False

    def step_alive(self) -> bool:
        """True. Raises Crashed if the process is dead."""
        if self._owner.dead:
            raise Crashed
        return True

    def step(self, label: str, run: Callable[[], Any]) -> Any:
        """Run one statement after its boundary. If a lock is held, pause and try again."""
        process = self._owner
        if current() is None and not process.dead:  # an object of the process is cleaned up elsewhere
            return run()
        process.pause(label)
        began = process.now()
        while True:
            try:
                return run()
            except sqlite3.OperationalError as error:
                code = getattr(error, "sqlite_errorcode", 0)
                waits = code & 0xFF == sqlite3.SQLITE_BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT
                if not waits or process.now() - began >= self._timeout:
                    raise
            process.block(label)

    def set_timeout(self, seconds: float) -> None:
        """Set the timeout, which the connection of SQLite itself does not have here."""
        self._timeout = seconds


class _Cursor(sqlite3.Cursor):
    """A cursor of one process."""

    connection: _Connection

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement after its boundary."""
        connection = self.connection
        connection.step_alive()
        if (timeout := _BUSY_TIMEOUT.match(sql)) is not None:
            connection.set_timeout(int(timeout.group(1)) / 1000)
            return self
        label = label_of(sql)
        if label == "PRAGMA":
            return super().execute(sql, parameters)
        base = super().execute
        connection.step(label, lambda: base(sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run a statement for each of the parameters: one boundary each in autocommit mode, else one."""
        connection = self.connection
        connection.step_alive()
        if connection.isolation_level is None and not connection.in_transaction:
            for each in parameters:
                self.execute(sql, each)
            return self
        every, base = list(parameters), super().executemany
        connection.step(label_of(sql), lambda: base(sql, every))
        return self

    def executescript(self, script: str, /) -> Any:
        """Commit, and run each statement of the script after its boundary, without an implicit BEGIN."""
        connection = self.connection
        connection.commit()
        level = connection.isolation_level
        connection.isolation_level = None
        try:
            for sql in statements_of(script):
                self.execute(sql)
        finally:
            if not connection._owner.dead:  # noqa: SLF001 (the two classes are one seam)
                connection.isolation_level = level
        return self

    def fetchone(self) -> Any:
        """The next row."""
        self.connection.step_alive()
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> Any:
        """The next rows."""
        self.connection.step_alive()
        return super().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> Any:
        """The rows that are left."""
        self.connection.step_alive()
        return super().fetchall()

    def __next__(self) -> Any:
        self.connection.step_alive()
        return super().__next__()


def statements_of(script: str) -> tuple[str, ...]:
    """The statements of a script."""
    found, part = [], ""
    for piece in script.split(";"):
        part += f"{piece};"
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return tuple([one for one in found if one.strip(" \t\r\n;")])


@cache
def label_of(sql: str) -> str:
    """A statement in one or two words: its verb and its table."""
    while (comment := _COMMENT.match(sql)) is not None:
        sql = sql[comment.end() :]
    words = sql.split(None, 1)
    verb = words[0].rstrip(";").upper() if words else "NOTHING"
    if verb == "WITH":
        changing = re.search(r"\b(INSERT|UPDATE|DELETE)\b", sql, re.IGNORECASE)
        verb = changing.group(1).upper() if changing else "SELECT"
    if verb in _VERBS_ALONE or verb == "PRAGMA":
        return verb
    table = _TABLE.search(sql)
    return f"{verb} {table.group(1)}" if table else verb
