"""The database that a user names: a file or an address of PostgreSQL.

An address may hold a password. So a message repeats a name only if it can only be the name of a file.
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
"""A name that begins like this is the name of a file, whatever follows."""

_LIKE_AN_ADDRESS = re.compile("[:@=%]|password", re.IGNORECASE)
_NEITHER = (
    "neither a plain file name nor an address of PostgreSQL, and not shown, as it may hold a password; "
    "write postgresql://USER@HOST:PORT/DATABASE, or put ./ (or /. before a /) in front of the name of a file "
    "with : @ = % or 'password' in it"
)


@frozen(kw_only=True)
class Database:
    """The database that `--db` names: a file, or a database of a server."""

    shown: str = field(repr=False)
    """Its name, as far as it may be printed."""

    store: "Callable[[bool], SQLiteStore | PostgreSQLStore]" = field(repr=False)
    """Opens the store; with True it also creates a missing queue."""

    enqueue_creates: bool
    """True if `enqueue` creates a missing queue. On a server it does not: the role of a producer may lack the
    right to create tables, and a typing error must not create a queue."""

    file: Path | None = None
    """The file, if it is one."""

    busy_seconds: float
    """The longest wait for a lock."""

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
    """The database of that name. It waits for a lock for `busy_seconds`. Raises StoreError."""
    if text.startswith(_ADDRESSES):
        return _server(text, busy_seconds)
    if is_file_name(text):
        return _file(Path(text), busy_seconds)
    raise StoreError(f"the name of the database is {_NEITHER}")


def is_file_name(text: str) -> bool:
    """True if the text can only be the name of a file, so that a message may repeat it."""
    return text.startswith(_FILES) or not _LIKE_AN_ADDRESS.search(text)


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
