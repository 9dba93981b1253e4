"""Copies a queue into a file of its own, through SQLite's backup API.

A copy of the file alone would lack what is still in the log. The backup API copies what one read sees, log
and all, while others write; it can be broken off between two steps, and it takes little more time than a
copy of the bytes. (VACUUM INTO would do, too, but it writes every row anew, and cannot write into a
database that others have open, as `restore` must.)

A copy is made under a temporary name, in one file that needs no log. It gets its name once it is checked and
synced.
"""

import errno
import os
import secrets
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from system.sqlite.errors import code_of, explained, explained_by_system, is_busy, is_damage, locked
from system.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from system.store import StoreError

BESIDE = ("-wal", "-shm", "-journal")
"""The suffixes of the files beside a database that belong to it."""
_PAGES_A_STEP = 4  # fewer than any queue has, so that something can be done between two steps
_TABLES = {"jobs", "executions", "effects", "audit"}
_JOURNAL_IN_HEADER = 18  # where the file format has two bytes that are 2 with a log, and 1 without one
_OF_A_WRITE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
}


class Damaged(StoreError):
    """The file is a queue, or was one, and SQLite finds damage in it."""


def connect(file: Path, parameters: str, busy_seconds: float = 0) -> sqlite3.Connection:
    """A connection to an existing file."""
    uri = f"{file.as_uri()}?{parameters}"
    return sqlite3.connect(uri, timeout=busy_seconds, isolation_level=None, uri=True)


@contextmanager
def unfinished(folder: Path, like: os.stat_result) -> Iterator[Path]:
    """A new file with the owner and the mode of another. It is removed unless it was renamed."""
    file = folder / f"unfinished-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(descriptor, like.st_mode & 0o777 | 0o600)
            with suppress(PermissionError):  # only root may give a file away
                os.fchown(descriptor, like.st_uid, like.st_gid)
        finally:
            os.close(descriptor)
        yield file
    finally:
        with undisturbed():
            for suffix in ("", *BESIDE):
                Path(f"{file}{suffix}").unlink(missing_ok=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def copy(
    source: sqlite3.Connection,
    to: sqlite3.Connection,
    *,
    from_path: Path,
    to_path: Path,
    busy_seconds: float,
    while_locked: Callable[[], object] = lambda: None,
) -> None:
    """Replace the content of `to` by the content of `source`, in one transaction. Raises StoreError.

    `while_locked` is called once, while no other process may write to `to`. If it raises, nothing is changed.
    """
    begun = False

    def step(status: int, *_: int) -> None:  # Python handles signals here, too
        nonlocal begun
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):  # else SQLite would wait for ever
            raise locked(to_path, busy_seconds)
        if not begun:
            begun = True
            while_locked()

    try:
        source.execute("BEGIN")  # one snapshot for all steps, or each commit would make them begin again
        source.execute("SELECT 1 FROM sqlite_schema").fetchall()
        try:
            source.backup(to, pages=_PAGES_A_STEP, progress=step)
        finally:
            source.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        path = to_path if {code_of(error), getattr(error, "sqlite_errorcode", 0)} & _OF_A_WRITE else from_path
        raise locked(path, busy_seconds) if is_busy(error) else explained(error, path) from error


def may_be_done(error: BaseException | None) -> bool:
    """True if a copy that ended in this error of SQLite's may be found done when the log is read again."""
    return isinstance(error, sqlite3.DatabaseError) and code_of(error) == sqlite3.SQLITE_IOERR


def copy_to_file(
    source: sqlite3.Connection, file: Path, *, from_path: Path, to_path: Path, busy_seconds: float
) -> None:
    """Copy into an empty file, and sync it. No other process knows it, so it needs no lock and no journal."""
    try:
        with closing(connect(file, "mode=rw&nolock=1")) as to:
            to.execute("PRAGMA journal_mode = OFF")
            to.execute("PRAGMA synchronous = OFF")
            copy(source, to, from_path=from_path, to_path=to_path, busy_seconds=busy_seconds)
    except sqlite3.DatabaseError as error:
        raise explained(error, to_path) from error
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.pwrite(descriptor, b"\1\1", _JOURNAL_IN_HEADER)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def jobs_in(file: Path, parameters: str, path: Path, busy_seconds: float = 0) -> int:
    """Check a queue, and count its jobs. Raises Damaged, and StoreError if it is no queue of ours."""
    try:
        with closing(connect(file, parameters, busy_seconds)) as connection:
            _check_kind(connection, path)
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if found != "ok" or not names >= _TABLES:
                raise Damaged(f"{path}: the database file is damaged")
            (jobs,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
            return int(jobs)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise Damaged(f"{path}: the database file is damaged") from error
        raise locked(path, busy_seconds) if is_busy(error) else explained(error, path) from error


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: not a queue database, and left as it is; name another file")
    if not 0 < version <= SCHEMA_VERSION:
        raise StoreError(
            f"{path}: schema version {version}, and this program knows {SCHEMA_VERSION}: "
            "use the version of the program that wrote it, or a newer one"
        )


def sync(file: Path) -> None:
    """Make a file or a folder durable: its content, or its names."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can sync a folder
            raise
    finally:
        os.close(descriptor)


@contextmanager
def system_errors_explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into StoreError, in the name of this file."""
    try:
        yield
    except OSError as error:
        raise explained_by_system(error, path) from error
