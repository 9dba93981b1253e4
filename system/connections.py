"""The connections of one store. Whoever needs one has it alone, until it is given back.

So a store may be used from any thread: each open transaction has a connection of its own, and what the
database promises to two processes holds for two threads. A process that uses its store from one thread at a
time opens one connection.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

C = TypeVar("C")


class Connections(Generic[C]):
    """The connections that nobody uses now, the one used last on top. Safe to use from any thread."""

    def __init__(
        self, connect: Callable[[], C], is_usable: Callable[[C], bool], retire: Callable[[C], object]
    ) -> None:
        """`connect` opens one; one that is given back and not usable any more is retired."""
        self._connect = connect
        self._is_usable = is_usable
        self._retire = retire
        self._idle: list[C] = []
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[C]:
        """A connection that nobody else has until the end of the block."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        with self._given_back(connection):
            yield connection

    @contextmanager
    def fresh(self) -> Iterator[C]:
        """As `one`, but newly opened: others that are idle may have broken with the one that has."""
        with self._given_back(self._connect()) as connection:
            yield connection

    @contextmanager
    def _given_back(self, connection: C) -> Iterator[C]:
        try:
            yield connection
        finally:
            self.give_back(connection)

    def give_back(self, connection: C) -> None:
        """Let others have it."""
        if not self._is_usable(connection):
            self._retire(connection)
            return
        self._idle.append(connection)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close each, those in use as soon as they are given back."""
        self._closed = True
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was first
                return
            self._retire(connection)
