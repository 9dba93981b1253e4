"""Which database a user names, a file or an address of PostgreSQL, and how it is opened."""

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

_SCHEME = re.compile(r"(\w[\w+.-]*)://")
_SERVER = ("postgresql", "postgres")
_PASSWORD = re.compile(r"\bpassword\s*=")
_WRITE = "name a file, or write postgresql://USER@HOST:PORT/DATABASE"


@frozen(kw_only=True)
class Database:
    """What `--db` names: a file, or a database of a server."""

    shown: str
    """Its name, without a password."""

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

    def create(self) -> bool:
        """Create a queue. False when there is one already. Raises StoreError."""
        with closing(self.store(True)) as store:
            return store.created


def named(text: str, busy_seconds: float) -> Database:
    """The database of that name. It waits so long for what another holds. Raises StoreError."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[1] in _SERVER:
        return _server(text, busy_seconds)
    if scheme:  # it may hold a password, so it is not repeated
        raise StoreError(f"{scheme[1]}://...: no kind of database that this knows; {_WRITE}")
    if _PASSWORD.search(text):
        raise StoreError(f"a password in what is not an address of PostgreSQL; {_WRITE}")
    return _file(Path(text), busy_seconds)


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
