"""Settings of SQLite that are not those of the store: how a fault of the disk's is put into a queue."""

from attrs import evolve

from system.queue import Queue
from system.sqlite import SQLiteStore


def with_pragmas(queue: Queue, *pragmas: str) -> Queue:
    """The queue, its store's connection set otherwise. Raises TypeError if the store is not on SQLite."""
    store = queue.store
    if not isinstance(store, SQLiteStore):
        raise TypeError(f"{type(store).__name__} has no settings of SQLite's")
    for pragma in pragmas:
        store._connection.execute(f"PRAGMA {pragma}")  # noqa: SLF001
    return evolve(queue)
