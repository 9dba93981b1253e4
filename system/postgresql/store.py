"""The store: its connection, its transactions, and what is read outside of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg

from system.clock import Clock
from system.postgresql.address import shown
from system.postgresql.connecting import BUSY_SECONDS, Connect, connecting, set_up
from system.postgresql.errors import Explained
from system.postgresql.schema import LOCK, MARK, SCHEMA, SCHEMA_VERSION, TABLES
from system.postgresql.transaction import SERVER_TIME, PostgreSQLTransaction, in_driver_style
from system.settings import BUSY_SECONDS_MAX, check_seconds
from system.sql import SQLReads
from system.store import Counts, StoreBusy, StoreError

T = TypeVar("T")


class PostgreSQLStore(SQLReads):
    """The store in a PostgreSQL database. See `system.store.Store` for what each method promises.

    A connection that broke is made anew for the next transaction. What broke in the middle of one raises
    StoreUnavailable: whether it was committed is not known then.
    """

    def __init__(
        self,
        dsn: str,
        *,
        clock: Clock | None = None,
        create: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        connect: Connect | None = None,
    ) -> None:
        """Connect. Without a `clock` the time is the server's, the one clock that all machines share.

        `dsn` is `postgresql://USER@HOST/DATABASE`, or another form that libpq takes. Raises StoreError when
        the server cannot be reached, or the database holds no queue, or one of another version.
        """
        check_seconds("busy_seconds", busy_seconds, least=0, most=BUSY_SECONDS_MAX)
        self.shown = shown(dsn)
        self._dsn = dsn
        self._process = os.getpid()
        self._closed = False
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._explained = Explained(self.shown, busy_seconds)
        self._connect = connect or connecting
        self._schema: str | None = None
        """Where the queue is: what the search path named first when this connected for the first time."""
        self.created = False
        """Whether it was this that has made the queue."""
        with self._explained:
            self._connection = self._open()
            try:
                self._check_or_create(create=create)
            except BaseException:
                self._connection.close()
                raise

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._connect(self._dsn)
        try:
            self._schema = set_up(connection, self._busy_seconds, self._schema)
        except BaseException:
            connection.close()
            raise
        return connection

    def _again_if_gone(self, ask: Callable[[], T]) -> T:
        """Ask; once more on a new connection if this one is gone. For what may be asked twice."""
        if self._connection.closed:
            self._connection = self._open()
            return ask()
        try:
            return ask()
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
        self._connection = self._open()
        return ask()

    def _check_or_create(self, *, create: bool) -> None:
        if self._scalar("SHOW server_encoding") != "UTF8":
            raise StoreError(f"{self.shown}: the encoding of the database must be UTF8")
        if self._is_ours():
            return
        if not create:
            raise StoreError(f"{self.shown}: no queue in this database; `python -m system init` creates one")
        with self._transaction():
            self._connection.execute(f"SELECT pg_catalog.pg_advisory_xact_lock({LOCK}::bigint)")
            if self._is_ours():  # another process has created it meanwhile
                return
            for table in TABLES:
                if self._is_there(table):
                    raise StoreError(
                        f"{self.shown}: has a table {table!r} that is not a queue's; name another database, "
                        "or another schema with ?options=-csearch_path%3DNAME"
                    )
            for statement in SCHEMA:
                self._connection.execute(statement)
        self.created = True

    def _is_there(self, table: str) -> bool:
        """Whether there is such a table in the schema that a new one would be made in.

        A look at the rows of the catalogue: by name (`to_regclass`) a session may be told what was so before.
        """
        found = (
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = pg_catalog.current_schema() AND c.relname = %s)"
        )
        return bool(self._scalar(found, (table,)))

    def _is_ours(self) -> bool:
        if self._scalar("SELECT pg_catalog.current_schema()") is None:
            raise StoreError(f"{self.shown}: no schema of the search path exists; create it, or name another")
        if not self._is_there(MARK):
            return False
        version = self._scalar(f"SELECT max(version) FROM {MARK}")
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.shown}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
                "use the version of the program that wrote it, or a newer one"
            )
        return True

    def _scalar(self, sql: str, values: tuple[object, ...] = ()) -> Any:
        return self._connection.execute(sql, values).fetchall()[0][0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._again_if_gone(lambda: self._connection.execute("BEGIN"))
        try:
            yield
            if self._connection.execute("COMMIT").statusmessage != "COMMIT":
                raise StoreBusy(f"{self.shown}: the transaction had failed; nothing happened, try again")
        except BaseException:
            with suppress(psycopg.Error):
                if not self._connection.closed:
                    self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def transaction(self) -> Iterator[PostgreSQLTransaction]:
        """Begin; commit at the end of the block; roll back if it raises."""
        self._check_open()
        with self._explained, self._transaction():
            yield PostgreSQLTransaction(self._connection, self._clock)

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        if self._clock is None:
            return self._counts(SERVER_TIME, ())
        return self._counts("?::bigint", (self._clock.now(),))

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        self._check_open()
        with self._explained:
            return self._again_if_gone(
                lambda: self._connection.execute(in_driver_style(sql), values).fetchall()
            )

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self.shown}: opened before this process was forked; open it again here, with a new store"
            )
        if self._closed:
            raise StoreError(f"{self.shown}: this store was closed; open it again, with a new store")

    def close(self) -> None:
        """Let go of the server. In a forked process do nothing: there the connection is not its own."""
        if os.getpid() == self._process:
            self._closed = True
            self._connection.close()
