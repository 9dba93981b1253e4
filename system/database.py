"""Which database a user names, a file or an address of PostgreSQL, and how it is opened.

An address may hold a password. So a name is repeated in a message only if it can be nothing but a file's.
"""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from system.clock import SystemClock
from system.sqlite import BUSY_SECONDS, SQLiteStore
from system.store import Store, StoreError

if TYPE_CHECKING:
    from system.postgresql import PostgreSQLStore

__all__ = ["BUSY_SECONDS", "Database", "named"]

_ADDRESSES = ("postgresql://", "postgres://")
_FILES = ("./", "../", "/./")
"""With this in front a name is a file's, whatever is in it."""

_LIKE_AN_ADDRESS = re.compile("[:@=%]|password", re.IGNORECASE)
_NEITHER = (
    "neither a plain file name nor an address of PostgreSQL, and not shown, as it may hold a password; "
    "write postgresql://USER@HOST:PORT/DATABASE, or put ./ (or /. before a /) in front of the name of a file "
    "with : @ = % or 'password' in it"
)


@frozen(kw_only=True)
class Database:
    """What `--db` names: a file, or a database of a server."""

    shown: str = field(repr=False)
    """Its name, as far as it may be printed."""

    store: "Callable[[bool], SQLiteStore | PostgreSQLStore]" = field(repr=False)
    """Makes a store; a queue too when asked to."""

    enqueue_creates: bool
    """On a server who enqueues need not be who may create tables, and no typing error makes a new queue."""

    file: Path | None = None
    """The file, if it is one."""

    busy_seconds: float
    """How long to wait for what another holds."""

    def open(self, *, to_enqueue: bool = False) -> closing[Store]:
        """The store, closed at the end of the block. Raises StoreError."""
        return closing(self.store(to_enqueue and self.enqueue_creates))

    def create(self) -> str:
        """Create a queue, or bring an older one up to this version. Returns a text that says which was done.

        Raises StoreError.
        """
        with closing(self.store(True)) as store:
            if store.created:
                return "a new queue"
            if store.upgraded is not None:
                return f"upgraded from schema version {store.upgraded.before} to {store.upgraded.after}"
            return "a queue is there already"


def named(text: str, busy_seconds: float) -> Database:
    """The database of that name. It waits so long for what another holds. Raises StoreError."""
    if text.startswith(_ADDRESSES):
        return _server(text, busy_seconds)
    if text.startswith(_FILES) or not _LIKE_AN_ADDRESS.search(text):
        return _file(Path(text), busy_seconds)
    raise StoreError(f"the name of the database is {_NEITHER}")


def _file(path: Path, busy_seconds: float) -> Database:
    def store(create: bool) -> SQLiteStore:
        return SQLiteStore(path, clock=SystemClock(), create=create, busy_seconds=busy_seconds)

    return Database(shown=str(path), store=store, enqueue_creates=True, file=path, busy_seconds=busy_seconds)


def _server(dsn: str, busy_seconds: float) -> Database:
    try:
        from system.postgresql import PostgreSQLStore, shown
    except ImportError as error:
        raise StoreError(
            f"PostgreSQL needs the driver psycopg, which cannot be imported ({str(error).splitlines()[0]}); "
            "pip install 'reliability-habits[postgresql]'"
        ) from error

    def store(create: bool) -> PostgreSQLStore:
        return PostgreSQLStore(dsn, create=create, busy_seconds=busy_seconds)

    return Database(shown=shown(dsn), store=store, enqueue_creates=False, busy_seconds=busy_seconds)
