"""Replaces the connection settings of a store: a fault of the disk is a queue with other settings."""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve

from system.queue import Queue
from system.sqlite import SQLiteStore


def with_pragmas(queue: Queue, *pragmas: str) -> Queue:
    """The queue with these PRAGMAs on each connection. Raises TypeError if the store is not on SQLite."""
    if not isinstance(queue.store, SQLiteStore):
        raise TypeError(f"{type(queue.store).__name__} has no SQLite settings")
    return _set(queue, *[f"PRAGMA {pragma}" for pragma in pragmas])


def unsynced(queue: Queue) -> Queue:
    """The queue whose commits return before the disk is synced, on either store."""
    on_sqlite = isinstance(queue.store, SQLiteStore)
    return _set(queue, "PRAGMA synchronous = OFF" if on_sqlite else "SET synchronous_commit = off")


def _set(queue: Queue, *statements: str) -> Queue:
    store: Any = queue.store
    if store is None:
        raise TypeError("there is no store to set")
    connections = store._connections  # noqa: SLF001
    opened = partial(_opened, connections._connect, statements)  # noqa: SLF001
    with connections.one() as connection:
        for statement in statements:
            connection.execute(statement)
    connections._connect = opened  # noqa: SLF001
    return evolve(queue)


def _opened(opening: Callable[[], Any], statements: tuple[str, ...]) -> Any:
    connection = opening()
    for statement in statements:
        connection.execute(statement)
    return connection
