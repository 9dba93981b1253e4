"""The location of the database of a run with real processes, and the faults that can be injected there."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import field, frozen

from system.database import BUSY_SECONDS, Database, named
from system.store import Store


@frozen(kw_only=True)
class DatabaseLocation:
    """A database for one queue, and the operations of its server."""

    db: str = field(repr=False)
    """The path or address, as `--db` of the queue's commands. An address may have a password."""

    about: str | None = None
    """A description of the server; None for a file."""

    cut: Callable[[float], bool] | None = None
    """Cut one connection, chosen by a number from 0 to 1. Returns False if there is none."""

    restart: Callable[[], None] | None = None
    """Crash the server, and let it recover. Raises NoWorld."""

    idle: Callable[[], bool] | None = None
    """Returns True if a transaction is idle now: its process sends no statement."""

    idle_seconds: float = 0
    """The idle timeout, after which the server ends such a transaction."""

    log: Path | None = None
    """The log of the server."""

    @property
    def database(self) -> Database:
        """The database of that name. Raises StoreError."""
        return named(self.db, BUSY_SECONDS)

    def open(self) -> closing[Store]:
        """A store in it, closed at the end of the block. Raises StoreError."""
        return self.database.open()
