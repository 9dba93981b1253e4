"""A SQLite connection that pauses the process that uses it.

Every statement passes through `execute`, so every statement is a place to switch to another process or to
crash, and none is placed by hand. The code above does not know. When the process is dead, each call raises
`Crashed` again: no `finally` and no `except` can make anything durable.
"""

import re
import sqlite3
import weakref
from enum import StrEnum
from typing import Any, Protocol


class Crashed(BaseException):
    """The process is dead. Never caught by the system: nothing after this point runs."""


class At(StrEnum):
    """What a paused process is about to do."""

    BEGIN = "before a transaction"
    STATEMENT = "before a statement"
    COMMITTED = "after COMMIT, before the process learns of it"
    HANDLER = "in the handler"
    IDLE = "waiting to be asked"


class Stepped(Protocol):
    """The process, as its connection sees it."""

    dead: bool

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary. Raises Crashed if the process dies here."""
        ...

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock."""
        ...

    def began(self) -> None:
        """A transaction began."""
        ...

    def ended(self, *, committed: bool, changed: bool) -> None:
        """The transaction ended."""
        ...


class SteppingConnection(sqlite3.Connection):
    """A connection of one virtual process. PRAGMAs pass without a pause: they set up, they do no work."""

    process: Stepped

    def attach(self, process: Stepped) -> None:
        """Say whose connection this is."""
        self.process = process
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self._changes_before = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement, at the boundaries that it makes."""
        process = self.process
        if process.dead:
            raise Crashed
        verb = sql.split(None, 1)[0].upper()
        if verb == "PRAGMA":
            return super().execute(sql, parameters)
        alone = verb == "BEGIN" or not self.in_transaction
        process.reached(At.BEGIN if alone else At.STATEMENT, sql)
        if alone:
            self._changes_before = self.total_changes
            process.began()
        cursor = self._run(sql, parameters)
        if not self.in_transaction:
            changed = verb != "ROLLBACK" and self.total_changes != self._changes_before
            process.ended(committed=verb != "ROLLBACK", changed=changed)
            process.reached(At.COMMITTED, sql)
        return cursor

    def cursor(self, *_: Any, **__: Any) -> Any:
        """Refused, with all that goes through one: it would pass every boundary by."""
        raise RuntimeError("under the checker every statement goes through execute")

    executemany = executescript = cursor
    commit = rollback = cursor

    def _run(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        while True:
            try:
                cursor = super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                self.process.blocked(sql)
            else:
                self._cursors.add(cursor)
                return cursor

    def kill(self) -> None:
        """Close as a dead process does: open statements are reset, so that no lock outlives it."""
        for cursor in list(self._cursors):
            cursor.close()
        self.close()


def label(sql: str) -> str:
    """A statement in a word or two: its verb and its table."""
    words = sql.split()
    verb = words[0].upper()
    if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
        return verb
    table = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", sql)
    return f"{verb} {table.group(1)}" if table else verb
