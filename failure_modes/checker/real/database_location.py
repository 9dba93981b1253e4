"""Where the store of a run with real processes is, and what can be done to it from outside."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from attrs import field, frozen

from system.database import BUSY_SECONDS, Database, named
from system.store import Store


@frozen(kw_only=True)
class DatabaseLocation:
    """A database for one queue, as the commands of the queue name one."""

    db: str = field(repr=False)
    """A file, or an address, which may hold a password."""

    about: str | None = None
    """What server it is on."""

    cut: Callable[[float], bool] | None = None
    """Cut one of the connections there are, which a number from 0 to 1 points out. False if there is none."""

    restart: Callable[[], None] | None = None
    """Let the server crash, and recover. Raises NoWorld."""

    alone: Callable[[], bool] | None = None
    """Whether a process has left a transaction alone just now."""

    alone_seconds: float = 0
    """After so long the server ends such a transaction."""

    log: Path | None = None
    """What the server has to say."""

    @property
    def database(self) -> Database:
        """The database of that name. Raises StoreError."""
        return named(self.db, BUSY_SECONDS)

    def open(self) -> closing[Store]:
        """A store in it, closed at the end of the block. Raises StoreError."""
        return self.database.open()
