"""The store: opening the file, its transactions, and the reads outside of them."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from system.clock import Clock
from system.connections import Connections
from system.schema import Upgraded
from system.settings import BUSY_SECONDS_MAX, check_seconds
from system.sql import SQLReads
from system.sqlite.errors import NOT_OURS, Explained, ReadOnly, check_path, is_busy
from system.sqlite.files import OpenedFiles
from system.sqlite.logs import RETRY_SECONDS, close_all, refuse_without_log
from system.sqlite.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from system.sqlite.transaction import Begun, SQLiteTransaction
from system.sqlite.upgrade import OLDEST, upgrade
from system.store import Counts, StoreError, Tokens, random_token
from system.wakeups import Polling

BUSY_SECONDS = 5.0

Connect = Callable[[str], sqlite3.Connection]


def connecting(busy_seconds: float) -> Connect:
    """Opens connections in autocommit mode, so that only this code begins and commits.

    Any thread may use a connection, but no two threads at a time: see `system.connections`.
    """

    def connect(target: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            target, timeout=busy_seconds, isolation_level=None, uri=True, check_same_thread=False
        )
        connection.text_factory = _text
        return connection

    return connect


def _text(raw: bytes) -> str:
    """The text of any bytes. A row that is not valid text is found when it is checked."""
    return raw.decode("utf-8", "surrogateescape")


class SQLiteStore(SQLReads):
    """The store in one SQLite file. See `system.store.Store` for what each method promises."""

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock,
        create: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        connect: Connect | None = None,
        tokens: Tokens = random_token,
    ) -> None:
        """Open the file. Raises StoreError when it is missing, not a queue, newer, or unreadable.

        A file that may only be read is opened too. Then each transaction raises StoreUnavailable, until the
        file may be written. In a forked process each call raises StoreError, as SQLite's connections outlive
        no fork.
        """
        check_seconds("busy_seconds", busy_seconds, least=0, most=BUSY_SECONDS_MAX)
        self._path = Path(path)
        self._process = os.getpid()
        self._closed = False
        self._clock = clock
        self._tokens = tokens
        self._busy_seconds = busy_seconds
        check_path(self._path, create=create)
        self._files = OpenedFiles(self._path)
        self._explained = Explained(self._path, busy_seconds, self._files)
        self._uri = self._files.real.as_uri()
        self._connect = connect or connecting(busy_seconds)
        self._sees_to_wal = connect is None
        """Connections of a caller's own are set up by the caller."""
        self._turns = threading.RLock()
        """One thread writes at a time. SQLite alone would let some threads starve, as it has no queue."""
        self._refused: set[sqlite3.Connection] = set()
        """Connections in use that may only read."""
        self._read_only: list[sqlite3.Connection] = []
        """Idle connections that may only read. They stay open until another is open, so that SQLite does not
        remove the log with the last of them."""
        self._connections = Connections(self._open, self._is_usable, self._retire)
        self.created = False
        """True if this store created the queue."""
        self.upgraded: Upgraded | None = None
        """The schema versions before and after, if this store upgraded the queue."""
        self._files.remember()
        if self._sees_to_wal:
            refuse_without_log(self._path, self._files, clock, busy_seconds)
        with self._explained:
            connection = self._connect(f"{self._uri}?mode={'rwc' if create else 'rw'}")
        try:
            with self._explained:
                self._files.remember()
                self._check_or_create(connection, create=create)
                self._set_up(connection)
        except BaseException:
            close_all((connection,), self._files)
            raise
        self._connections.give_back(connection)

    def _open(self) -> sqlite3.Connection:
        """One more connection to the same file. Raises StoreError."""
        with self._explained:
            connection = self._connect(f"{self._uri}?mode=rw")
            try:
                self._set_up(connection)
                self._files.check()
            except BaseException:
                close_all((connection,), self._files)
                raise
        self._close_read_only()
        return connection

    def _is_usable(self, connection: sqlite3.Connection) -> bool:
        return not connection.in_transaction and connection not in self._refused

    def _retire(self, connection: sqlite3.Connection) -> None:
        if connection not in self._refused:
            if not self._closed:  # while one is open, SQLite keeps the log
                with suppress(StoreError):
                    self._connections.give_back(self._open())
            close_all((connection,), self._files)
            return
        self._refused.remove(connection)
        self._read_only.append(connection)
        if self._closed:
            self._close_read_only()

    def _close_read_only(self) -> None:
        while self._read_only:
            try:
                connection = self._read_only.pop()
            except IndexError:  # another thread was first
                return
            close_all((connection,), self._files)

    def _set_up(self, connection: sqlite3.Connection) -> None:
        if self._sees_to_wal and _scalar(connection, "PRAGMA journal_mode") != "wal":
            self._use_wal(connection)  # another program has left WAL mode: without it a commit may be lost
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_spill = OFF")  # no page is written before the check
        _scalar(connection, "PRAGMA application_id")  # the first read in WAL mode makes the files beside it
        self._files.remember_logs(required=self._sees_to_wal)

    def _check_or_create(self, connection: sqlite3.Connection, *, create: bool) -> None:
        if self._is_ours(connection):
            return
        if create and _is_empty(connection):
            self._use_wal(connection)
            with Begun(connection, self._files):
                if _is_empty(connection):
                    self._create(connection)
                    return
        if not self._is_ours(connection):  # another process may have created it meanwhile
            raise StoreError(f"{self._path}: {NOT_OURS}")

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Wait for the lock here: SQLite does not wait when it changes the journal mode."""
        for tries_left in range(round(self._busy_seconds / RETRY_SECONDS), -1, -1):
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or not tries_left:
                    raise
            self._clock.sleep(RETRY_SECONDS)

    def _create(self, connection: sqlite3.Connection) -> None:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self.created = True

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        if _scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
            return False
        if OLDEST <= _version(connection) < SCHEMA_VERSION:
            connection.execute("PRAGMA foreign_keys = OFF")
            with Begun(connection, self._files):
                try:
                    upgraded = upgrade(connection)
                except StoreError as error:
                    raise StoreError(f"{self._path}: {error}") from None
            self.upgraded = upgraded
        self._check_version(connection)
        return True

    def _check_version(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self._path}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
                "use the version of the program that wrote it, or a newer one"
            )

    @contextmanager
    def transaction(self) -> Iterator["SQLiteTransaction"]:
        """Begin; commit at the end of the block; roll back if it raises. Writers take turns."""
        self._check_open()
        with self._turns, self._connections.one() as connection:
            try:
                with self._explained, Begun(connection, self._files):
                    self._check_version(connection)
                    yield SQLiteTransaction(connection, self._tokens, self._clock.now())
            except ReadOnly:
                self._refused.add(connection)
                raise

    def wakeups(self) -> Polling:
        """The waits of one worker that is idle: nothing wakes it."""
        return Polling(self._clock)

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        return self._counts("?", (self._clock.now(),))

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        self._check_open()
        with self._connections.one() as connection, self._explained:
            return connection.execute(sql, values).fetchall()

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self._path}: opened before this process was forked; open it again here, with a new store"
            )
        if self._closed:
            raise StoreError(f"{self._path}: this store was closed; open it again, with a new store")

    def close(self) -> None:
        """Close the file. In a forked process do nothing: the connection belongs to the parent."""
        if os.getpid() == self._process:
            self._closed = True
            self._connections.close()
            self._close_read_only()


def _scalar(connection: sqlite3.Connection, sql: str) -> Any:
    return connection.execute(sql).fetchall()[0][0]


def _version(connection: sqlite3.Connection) -> int:
    version: int = _scalar(connection, "PRAGMA user_version")
    return version


def _is_empty(connection: sqlite3.Connection) -> bool:
    questions = ("SELECT count(*) FROM sqlite_schema", "PRAGMA user_version", "PRAGMA application_id")
    return not any(_scalar(connection, question) for question in questions)
