"""The connections of one store. Each is used by one thread at a time, until it is given back.

So any thread may use a store: each open transaction has a connection of its own, and the promises of the
database to two processes hold for two threads. A process that uses its store from one thread at a time opens
one connection.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

C = TypeVar("C")


class InUse(Generic[C]):
    """A connection in use, until the end of the block. A class, for speed: every transaction passes here."""

    __slots__ = "_connection", "_give_back"

    def __init__(self, connection: C, give_back: Callable[[C], object]) -> None:
        self._connection = connection
        self._give_back = give_back

    def __enter__(self) -> C:
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back(self._connection)


class Connections(Generic[C]):
    """The idle connections, the one used last on top. Safe to use from any thread."""

    def __init__(
        self, connect: Callable[[], C], is_usable: Callable[[C], bool], retire: Callable[[C], object]
    ) -> None:
        """`connect` opens a connection. A connection that is given back and not usable is retired."""
        self._connect = connect
        self._is_usable = is_usable
        self._retire = retire
        self._idle: list[C] = []
        self._closed = False

    def one(self) -> InUse[C]:
        """A connection for this thread alone, until the end of the block."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        return InUse(connection, self.give_back)

    def fresh(self) -> InUse[C]:
        """As `one`, but newly opened: after one connection broke, the idle ones may be broken, too."""
        return InUse(self._connect(), self.give_back)

    def give_back(self, connection: C) -> None:
        """Make the connection idle, or retire it."""
        if not self._is_usable(connection):
            self._retire(connection)
            return
        self._idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close all connections; those in use as soon as they are given back."""
        self._closed = True
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was first
                return
            self._retire(connection)
