"""A virtual process that opens a database file itself: a greenlet that pauses before each statement.

Here each PRAGMA is a boundary, too: a program that opens a file reads its version by one, and writes it by
another. So the process is another than that of `process.py`, for which a PRAGMA is set-up. It keeps no log:
`proof/file_walk.py` takes all moves again for each state.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.stepping import Crashed

Connect = Callable[[str], sqlite3.Connection]

FileProgram = Callable[[Connect], object]
"""Opens the file with these connections, uses it, and returns what it was answered."""


class FileProcess:
    """One process."""

    def __init__(self, program: FileProgram) -> None:
        self.dead = False
        self.blocked = False
        """True if its next statement found a lock; it is tried again at the next move."""
        self.ended = False
        self.answer: object = None
        """What the program returned, or the error that it raised; None if it has not ended."""
        self.seen: list[tuple[str, object]] = []
        """Each statement with its rows: the process is a function of it."""
        self.next_statement = ""
        """The statement before which the process is paused."""
        self._program = program
        self._connections: list[SteppedConnection] = []
        self._hub = getcurrent()
        self._greenlet = greenlet(self._main)

    @property
    def can_move(self) -> bool:
        """True if the program has neither ended nor died."""
        return not self.dead and not self.ended

    @property
    def in_transaction(self) -> bool:
        """True if a transaction is open."""
        return not self.dead and any(connection.in_transaction for connection in self._connections)

    @property
    def is_inside(self) -> bool:
        """True if the next statement is inside a transaction, and neither begins nor ends it."""
        return self.in_transaction and not self.next_statement.startswith(("COMMIT", "ROLLBACK"))

    @property
    def statement(self) -> str:
        """The last statement."""
        return self.seen[-1][0]

    def unblock(self) -> None:
        """A lock was released: the process may try again."""
        self.blocked = False

    def move(self) -> None:
        """Run the next statement, and go on to the one after it."""
        self.blocked = False
        self._greenlet.switch()

    def kill(self) -> None:
        """Die before the next statement: what was not committed is rolled back."""
        if self.can_move:
            self.dead = True
            self._greenlet.throw(Crashed)
        for connection in self._connections:
            connection.end()

    def connect(self, target: str) -> sqlite3.Connection:
        """A connection of this process."""
        self.pause("SELECT")
        connection = sqlite3.connect(
            target, timeout=0, isolation_level=None, uri=True, factory=SteppedConnection
        )
        assert isinstance(connection, SteppedConnection), "the factory makes it"
        connection.belong_to(self)
        self._connections.append(connection)
        self.see("SELECT", "a connection")
        return connection

    def pause(self, sql: str) -> None:
        """Pause before this statement until the next move. Raises Crashed if the process is dead, or dies."""
        self.next_statement = sql
        if not self.dead:
            self._hub.switch()
        if self.dead:
            raise Crashed

    def wait(self, sql: str) -> None:
        """Pause because another process holds a lock."""
        self.blocked = True
        self.pause(sql)

    def release(self, connection: "SteppedConnection") -> None:
        """The program closes this connection itself."""
        self._connections.remove(connection)

    def see(self, sql: str, rows: object) -> None:
        """Note what a statement returned."""
        self.seen.append((sql, rows))

    def _main(self) -> None:
        try:
            self.answer = self._program(self.connect)
        except Crashed:
            return
        except Exception as error:  # the judge says whether the program may end with it
            self.answer = error
        self.ended = True


_LOCAL = ("synchronous", "foreign_keys", "cache_spill")
"""The PRAGMAs that only change the connection."""


def _is_local(sql: str) -> bool:
    return sql.startswith(tuple([f"PRAGMA {name} =" for name in _LOCAL]))


class _Rows:
    """The rows of a statement that has run to its end."""

    def __init__(self, rows: list[Any], lastrowid: int | None) -> None:
        self._rows = iter(rows)
        self.lastrowid = lastrowid

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Any:
        return self._rows


class SteppedConnection(sqlite3.Connection):
    """A connection of one process: it pauses the process before each statement."""

    _process: FileProcess

    def belong_to(self, process: FileProcess) -> None:
        """Pause this process from now on."""
        self._process = process

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement, once the process is moved and no other one holds a lock that it needs."""
        if not _is_local(sql):
            self._process.pause(sql)
        while True:
            try:
                cursor = super().execute(sql, parameters)
                rows = cursor.fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    self._process.see(sql, str(error))
                    raise
                self._process.wait(sql)
            except sqlite3.Error as error:
                self._process.see(sql, str(error))
                raise
            else:
                self._process.see(sql, rows)
                return _Rows(rows, cursor.lastrowid)

    def close(self) -> None:
        """Close the connection. That of a dead process is closed by its death."""
        if not self._process.dead:
            self._process.release(self)
            super().close()

    def end(self) -> None:
        """Close the connection as the death of its process does."""
        super().close()
