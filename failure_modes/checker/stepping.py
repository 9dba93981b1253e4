"""A SQLite connection that pauses the process that uses it.

Every statement passes through `execute`, so every statement is a place to switch to another process or to
crash, and none is placed by hand. The code above does not know. When the process is dead, each call raises
`Crashed` again: no `finally` and no `except` can make anything durable.

What a statement gave is put on record. A process that is brought back to where it stood is given what its
statements gave then, and they are not run again.
"""

import re
import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any, NoReturn, Protocol

from attrs import frozen

Row = tuple[Any, ...]


_LOOKS = ("BEGIN", "SELECT", "COMMIT", "ROLLBACK")


CALL = "CALL"
"""What the books call a call of a gateway, as they call a statement by its verb."""


class Crashed(BaseException):
    """The process is dead. Never caught by the system: nothing after this point runs."""


class At(StrEnum):
    """What a paused process is about to do."""

    BEGIN = "before a transaction"
    STATEMENT = "before a statement"
    COMMITTED = "after COMMIT, before the process learns of it"
    HANDLER = "in the handler"
    REPLY = "after the gateway's work, before its reply"
    IDLE = "waiting to be asked"


@frozen
class Ran:
    """A statement, and what it gave: its rows, the id of the row it inserted, or the error it raised."""

    sql: str
    parameters: tuple[Any, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    lastrowid: int | None = None
    error: tuple[str, int] | None = None
    """Of a constraint that did not hold: the text and the code."""
    in_transaction: bool = False
    """Whether a transaction is open after it."""


class Stepped(Protocol):
    """The process, as its connection sees it."""

    dead: bool

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary. Raises Crashed if the process dies here."""
        ...

    def recorded(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """What this statement gave when it was run before; None when it never was."""
        ...

    def must_run_again(self) -> bool:
        """Whether the statement on record belongs to a transaction that is still open."""
        ...

    def record(self, ran: Ran) -> None:
        """Put on record what a statement gave."""
        ...

    def refuse(self, error: Exception) -> NoReturn:
        """Stop: nothing that is found from here on can be trusted."""
        ...

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock."""
        ...

    def began(self) -> None:
        """A transaction began."""
        ...

    def ended(self, *, committed: bool, changed: bool, looked: bool) -> None:
        """The transaction ended; `looked` when all its statements were ones that only look."""
        ...


class Answer:
    """The rows of a statement, which has run to its end: it holds no lock."""

    def __init__(self, ran: Ran) -> None:
        self._rows = iter(ran.rows)
        self.lastrowid = ran.lastrowid

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return list(self._rows)

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class NotTheSame(Exception):
    """A process that was brought back to where it stood did not come there by the same way."""


class SteppingConnection:
    """A connection of one virtual process. PRAGMAs pass without a pause: they set up, they do no work.

    Only `execute` and `close` are there: all else would pass every boundary by.
    """

    def __init__(
        self, connection: sqlite3.Connection, process: Stepped, set_up: set[str] | None = None
    ) -> None:
        """`set_up` are the settings that were made on the connection; they are not made again."""
        self._connection = connection
        self._process = process
        self._set_up = set() if set_up is None else set_up
        self._changes_before = 0
        self._looked = True
        self.in_transaction = False
        """As the process sees it."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Any:
        """Run one statement, at the boundaries that it makes."""
        process = self._process
        if process.dead:
            raise Crashed
        verb = _verb(sql)
        if verb == "PRAGMA":
            return self._pragma(sql)
        alone = verb == "BEGIN" or not self.in_transaction
        process.reached(At.BEGIN if alone else At.STATEMENT, sql)
        if alone:
            self._changes_before, self._looked = self._connection.total_changes, True
            process.began()
        ran = process.recorded(sql, parameters)
        if ran is None:
            ran = self._live(sql, parameters)
        elif process.must_run_again() and self._run(sql, parameters) != ran:
            process.refuse(NotTheSame(f"{label(sql)} gave something else when it was run again"))
        self.in_transaction = ran.in_transaction
        if ran.error is None and not ran.in_transaction:
            process.reached(At.COMMITTED, sql)
        if ran.error is not None:
            raise _integrity_error(*ran.error)
        return Answer(ran)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"under the checker every statement goes through execute, and not {name}")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def kill(self, *, close: bool) -> bool:
        """End as a dead process does: what it had not committed is gone. Returns whether it held a lock."""
        held = self.in_transaction
        if held:
            self._connection.rollback()
        if close:
            self._connection.close()
        return held

    def _pragma(self, sql: str) -> Any:
        """Each setting costs every prepared statement, so it is made once a connection."""
        if sql in self._set_up:
            return Answer(Ran(sql, ()))
        if "=" in sql:
            self._set_up.add(sql)
        return self._connection.execute(sql)

    def _live(self, sql: str, parameters: tuple[Any, ...]) -> Ran:
        process = self._process
        while (ran := self._run(sql, parameters)) is None:
            process.blocked(sql)
        process.record(ran)
        if not ran.in_transaction:
            verb = _verb(sql)
            changed = verb != "ROLLBACK" and self._connection.total_changes != self._changes_before
            process.ended(committed=verb != "ROLLBACK", changed=changed, looked=self._looked)
        return ran

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """Run it to its end. None when another process holds a lock that it needs."""
        columns: tuple[str, ...] = ()
        rows: tuple[Row, ...] = ()
        lastrowid, problem = None, None
        self._looked = self._looked and _verb(sql) in _LOOKS
        try:
            cursor = self._connection.execute(sql, parameters)
            if cursor.description:
                columns = tuple([column[0] for column in cursor.description])
                rows = tuple(cursor.fetchall())
            if _verb(sql) == "INSERT":
                lastrowid = cursor.lastrowid
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return None
        except sqlite3.IntegrityError as error:
            problem = str(error), error.sqlite_errorcode
        return Ran(sql, parameters, columns, rows, lastrowid, problem, self._connection.in_transaction)


def _integrity_error(text: str, code: int) -> sqlite3.IntegrityError:
    error = sqlite3.IntegrityError(text)
    error.sqlite_errorcode = code
    return error


@cache
def _verb(sql: str) -> str:
    return sql.split(None, 1)[0].upper()


@cache
def label(sql: str) -> str:
    """A statement in a word or two: its verb and its table."""
    verb = _verb(sql)
    if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
        return verb
    table = table_of(sql)
    return f"{verb} {table}" if table else verb


@cache
def table_of(sql: str) -> str | None:
    """The table that a statement names first."""
    found = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", sql)
    return found.group(1) if found else None
