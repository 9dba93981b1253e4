"""The store: opening the file, its transactions, and what is read outside of them."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from system.clock import Clock
from system.settings import BUSY_SECONDS_MAX, check_seconds
from system.sql import SQLReads
from system.sqlite.errors import NOT_OURS, Explained, ReadOnly, check_path, is_busy
from system.sqlite.files import OpenedFiles
from system.sqlite.schema import APPLICATION_ID, LIMITS, SCHEMA, SCHEMA_VERSION
from system.sqlite.transaction import SQLiteTransaction
from system.store import Counts, StoreError

BUSY_SECONDS = 5.0
_RETRY_SECONDS = 0.01

Connect = Callable[[str], sqlite3.Connection]


def connecting(busy_seconds: float) -> Connect:
    """Opens connections in autocommit mode, so that BEGIN and COMMIT are ours alone."""
    return lambda target: sqlite3.connect(target, timeout=busy_seconds, isolation_level=None, uri=True)


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
    ) -> None:
        """Open the file. Raises StoreError when it is missing, not a queue, newer, or unreadable.

        A file that may only be read is opened too; then each transaction raises StoreUnavailable, until it
        may be written. What a forked process asks raises StoreError: what SQLite has open outlives no fork.
        """
        check_seconds("busy_seconds", busy_seconds, least=0, most=BUSY_SECONDS_MAX)
        self._path = Path(path)
        self._process = os.getpid()
        self._closed = False
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._files = OpenedFiles(self._path)
        self._explained = Explained(self._path, busy_seconds, self._files)
        self._uri = self._path.absolute().as_uri()
        self._connect = connect or connecting(busy_seconds)
        self._sees_to_wal = connect is None
        """Whoever brings connections of their own has set them up."""
        self._reopens = False
        """Whether the connection is to be made anew before it is used."""
        self.created = False
        """Whether it was this that has made the queue."""
        check_path(self._path, create=create)
        self._files.remember()
        with self._explained:
            self._connection = self._connect(f"{self._uri}?mode={'rwc' if create else 'rw'}")
        try:
            with self._explained:
                self._files.remember()
                self._check_or_create(create=create)
                self._set_up()
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        if self._sees_to_wal and self._scalar("PRAGMA journal_mode") != "wal":
            self._use_wal()  # another program has switched it off, and without it a commit may be lost
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._files.remember("-wal")  # it is open by now, so nobody removes it who knows of us

    def _reopen(self) -> None:
        """Connect to the same file again, in case that it may be written by now."""
        with self._explained:
            before, self._connection = self._connection, self._connect(f"{self._uri}?mode=rw")
            try:
                self._set_up()
            finally:
                before.close()
        self._reopens = False

    def _check_or_create(self, *, create: bool) -> None:
        if self._is_ours():
            return
        if create and self._is_empty():
            self._use_wal()
            with self._transaction():
                if self._is_empty():
                    self._create()
                    return
        if not self._is_ours():  # another process may have created it meanwhile
            raise StoreError(f"{self._path}: {NOT_OURS}")

    def _use_wal(self) -> None:
        """SQLite does not wait for a lock when it changes the journal mode, so this does."""
        for tries_left in range(round(self._busy_seconds / _RETRY_SECONDS), -1, -1):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or not tries_left:
                    raise
            self._clock.sleep(_RETRY_SECONDS)

    def _create(self) -> None:
        for statement in SCHEMA:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self.created = True

    def _upgrade(self) -> None:
        """A file of version 1 lacks the tables of the limits, which are empty where there are none."""
        with self._transaction():
            if self._scalar("PRAGMA user_version") == 1:  # another process may have done it meanwhile
                for statement in LIMITS:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _is_ours(self) -> bool:
        if self._scalar("PRAGMA application_id") != APPLICATION_ID:
            return False
        version = self._scalar("PRAGMA user_version")
        if version == 1:
            self._upgrade()
            version = self._scalar("PRAGMA user_version")
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self._path}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
                "use the version of the program that wrote it, or a newer one"
            )
        return True

    def _is_empty(self) -> bool:
        questions = ("SELECT count(*) FROM sqlite_schema", "PRAGMA user_version", "PRAGMA application_id")
        return not any(self._scalar(question) for question in questions)

    def _scalar(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchall()[0][0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._files.check()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._files.check()  # they were there after the COMMIT: so what is answered is in them

    @contextmanager
    def transaction(self) -> Iterator["SQLiteTransaction"]:
        """Begin; commit at the end of the block; roll back if it raises."""
        self._check_open()
        if self._reopens:
            self._reopen()
        try:
            with self._explained, self._transaction():
                yield SQLiteTransaction(self._connection, self._clock.now())
        except ReadOnly:
            self._reopens = True
            raise

    def counts(self) -> Counts:
        """Counts over the whole store, in one consistent read."""
        return self._counts("?", (self._clock.now(),))

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        self._check_open()
        with self._explained:
            return self._connection.execute(sql, values).fetchall()

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self._path}: opened before this process was forked; open it again here, with a new store"
            )
        if self._closed:
            raise StoreError(f"{self._path}: this store was closed; open it again, with a new store")

    def close(self) -> None:
        """Let go of the file. In a forked process do nothing: there the connection is not its own."""
        if os.getpid() == self._process:
            self._closed = True
            self._connection.close()
