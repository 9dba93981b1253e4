"""The store: its connections, its transactions, and the reads outside of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from system.clock import Clock, SystemClock
from system.connections import Connections
from system.postgresql.address import shown
from system.postgresql.connecting import BUSY_SECONDS, Connect, Connection, connecting, set_up
from system.postgresql.errors import Explained
from system.postgresql.listening import Listening
from system.postgresql.schema import LOCK, MARK, SCHEMA, SCHEMA_VERSION, TABLES
from system.postgresql.transaction import SERVER_TIME, PostgreSQLTransaction, in_driver_style
from system.postgresql.upgrade import OLDEST, upgrade
from system.schema import Upgraded
from system.settings import BUSY_SECONDS_MAX, check_seconds
from system.sql import SQLReads
from system.store import Counts, StoreBusy, StoreError, Tokens, random_token

BEGIN = f"BEGIN ; SELECT version FROM {MARK}"
"""One round trip. The read locks the table until the end, so no process upgrades the queue meanwhile.

The server plans it anew each time, and would plan an aggregate for twice as long.
"""


class PostgreSQLStore(SQLReads):
    """The store in a PostgreSQL database. See `system.store.Store` for what each method promises.

    After a connection broke, the next transaction opens a new one. A transaction in which it broke raises
    StoreUnavailable: it may have been committed.
    """

    def __init__(
        self,
        dsn: str,
        *,
        clock: Clock | None = None,
        create: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        connect: Connect | None = None,
        tokens: Tokens = random_token,
        notifies: bool = True,
    ) -> None:
        """Connect. Without a `clock` the time is the server's, the one clock that all machines share.

        With `notifies` each transaction that adds a job wakes the workers that are idle.
        `dsn` is `postgresql://USER@HOST/DATABASE`, or another form that libpq takes. Raises StoreError when
        the server cannot be reached, or the database holds no queue, or one of another version.
        """
        check_seconds("busy_seconds", busy_seconds, least=0, most=BUSY_SECONDS_MAX)
        self.shown = shown(dsn)
        self._dsn = dsn
        self._process = os.getpid()
        self._closed = False
        self._clock = clock
        self._tokens = tokens
        self._notifies = notifies
        self._busy_seconds = busy_seconds
        self._explained = Explained(self.shown, busy_seconds)
        self._connect = connect or connecting
        self._schema: str | None = None
        """The schema of the queue: the first on the search path of the first connection."""
        self.created = False
        """True if this store created the queue."""
        self.upgraded: Upgraded | None = None
        """The schema versions before and after, if this store upgraded the queue."""
        self._connections = Connections(self._open, _is_usable, _close)
        with self._explained, self._connections.one() as connection:
            try:
                self._check_or_create(connection, create=create)
            except BaseException:
                connection.close()
                raise

    def _open(self) -> Connection:
        connection = self._connect(self._dsn)
        try:
            self._schema = set_up(connection, self._busy_seconds, self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_or_create(self, connection: Connection, *, create: bool) -> None:
        if _scalar(connection, "SHOW server_encoding") != "UTF8":
            raise StoreError(f"{self.shown}: the encoding of the database must be UTF8")
        version = self._version(connection)
        if create and version is not None and OLDEST <= version < SCHEMA_VERSION:
            with connection.transaction():
                try:
                    upgraded = upgrade(connection)
                except StoreError as error:
                    raise StoreError(f"{self.shown}: {error}") from None
            self.upgraded = upgraded
            version = self._version(connection)
        if version is not None:
            self._check_version(version)
            return
        if not create:
            raise StoreError(f"{self.shown}: no queue in this database; `python -m system init` creates one")
        with connection.transaction():
            connection.execute(f"SELECT pg_catalog.pg_advisory_xact_lock({LOCK}::bigint)")
            version = self._version(connection)
            if version is not None:  # another process has created it meanwhile
                self._check_version(version)
                return
            for table in TABLES:
                if _is_there(connection, table):
                    raise StoreError(
                        f"{self.shown}: has a table {table!r} that is not a queue's; name another database, "
                        "or another schema with ?options=-csearch_path%3DNAME"
                    )
            for statement in SCHEMA:
                connection.execute(statement)
        self.created = True

    def _version(self, connection: Connection) -> int | None:
        """The version of the queue that is there, or None."""
        if _scalar(connection, "SELECT pg_catalog.current_schema()") is None:
            raise StoreError(f"{self.shown}: no schema of the search path exists; create it, or name another")
        if not _is_there(connection, MARK):
            return None
        version: int = _scalar(connection, f"SELECT coalesce(max(version), 0) FROM {MARK}")
        return version

    def _check_version(self, version: int) -> None:
        if version != SCHEMA_VERSION:
            older = OLDEST <= version < SCHEMA_VERSION
            raise StoreError(
                f"{self.shown}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
                + (
                    "`python -m system init` brings it up to that"
                    if older
                    else "use the version of the program that wrote it, or a newer one"
                )
            )

    @contextmanager
    def _begun(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Connection, list[Any]]]:
        """A connection, and the rows of what is asked on it first. What is asked may be asked twice.

        A connection that has broken since it was last used is noticed by that, and another one is opened.
        """
        self._check_open()
        with self._connections.one() as connection, _undone(connection):
            try:
                rows = _last_rows(connection, sql, values)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
                rows = None
            if rows is not None:
                yield connection, rows
                return
        with self._connections.fresh() as connection, _undone(connection):
            yield connection, _last_rows(connection, sql, values)

    @contextmanager
    def transaction(self) -> Iterator[PostgreSQLTransaction]:
        """Begin; commit at the end of the block; roll back if it raises. Any thread may."""
        with self._explained, self._begun(BEGIN) as (connection, versions):
            self._check_version(max([version for (version,) in versions], default=0))
            tx = PostgreSQLTransaction(connection, self._tokens, self._clock, notifies=self._notifies)
            yield tx
            tx.flush()
            if connection.execute("COMMIT").statusmessage != "COMMIT":
                raise StoreBusy(f"{self.shown}: the transaction had failed; nothing happened, try again")

    def wakeups(self) -> Listening:
        """The waits of one worker that is idle: the server wakes it."""
        return Listening(lambda: self._connect(self._dsn), self._clock or SystemClock())

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        if self._clock is None:
            return self._counts(SERVER_TIME, ())
        return self._counts("?::bigint", (self._clock.now(),))

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._explained, self._begun(in_driver_style(sql), values) as (_, rows):
            return rows

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self.shown}: opened before this process was forked; open it again here, with a new store"
            )
        if self._closed:
            raise StoreError(f"{self.shown}: this store was closed; open it again, with a new store")

    def close(self) -> None:
        """Close the connections. In a forked process do nothing: they belong to the parent."""
        if os.getpid() == self._process:
            self._closed = True
            self._connections.close()


def _is_usable(connection: Connection) -> bool:
    return not connection.closed


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    """Roll back an open transaction if the block raises, so that the next one starts clean."""
    try:
        yield
    except BaseException:
        if not connection.closed:
            try:
                connection.execute("ROLLBACK")
            except psycopg.Error:  # so that no other thread uses it in this state
                connection.close()
        raise


def _close(connection: Connection) -> None:
    connection.close()


def _last_rows(connection: Connection, sql: str, values: tuple[object, ...]) -> list[Any]:
    """The rows of the last of these statements."""
    cursor = connection.execute(sql, values)
    while cursor.nextset():
        pass
    return cursor.fetchall()


def _scalar(connection: Connection, sql: str, values: tuple[object, ...] = ()) -> Any:
    return connection.execute(sql, values).fetchall()[0][0]


def _is_there(connection: Connection, table: str) -> bool:
    """True if the current schema has such a table.

    It reads the rows of the catalogue: `to_regclass` may give a session an outdated answer.
    """
    found = (
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = pg_catalog.current_schema() AND c.relname = %s)"
    )
    return bool(_scalar(connection, found, (table,)))
