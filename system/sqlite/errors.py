"""Turns the driver's errors into StoreErrors: one line that a user can act on."""

import errno
import os
import sqlite3
import stat
from pathlib import Path

from system.schema import ONE_EFFECT, ONE_EXECUTION, RULES, refused
from system.sqlite.files import OpenedFiles, several_names
from system.store import StoreBusy, StoreError, StoreUnavailable

NOT_OURS = "not a queue database, and left as it is; name another file"
RESTORE = "stop the workers, then run `restore BACKUP`"
_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: f"{NOT_OURS}, or if it was a queue, {RESTORE}",
    sqlite3.SQLITE_TOOBIG: "a text is longer than SQLite can keep",
    sqlite3.SQLITE_CORRUPT: f"the database file is damaged; {RESTORE}",
}
_READ_ONLY = "the file or its folder is read-only; this needs leave to write to both"
_DISK_FULL = "the disk is full; make room on it"
_EXPLANATIONS_FOR_NOW = {
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; SQLite needs leave to read it, and to write to its folder",
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; the system's log may say why",
    sqlite3.SQLITE_PROTOCOL: "too many processes want its lock at once",
    sqlite3.SQLITE_PERM: "permission denied; this needs leave to read and write",
}
_EXPLANATIONS_OF_THE_SYSTEM = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.ELOOP: "a symlink that leads back to itself; name a file",
}


class ReadOnly(StoreUnavailable):
    """The file may only be read. A connection that was opened like that may only read until it is closed."""


def is_busy(error: sqlite3.Error) -> bool:
    """True if another connection holds a lock that was needed."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damage(error: sqlite3.Error) -> bool:
    """True if the file itself is damaged; False for an error of the disk or of permissions."""
    return code_of(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary error code."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def locked(path: Path, busy_seconds: float) -> StoreBusy:
    """The error when another process has held a lock for too long."""
    return StoreBusy(
        f"{path}: locked by another process for more than {busy_seconds:g} s; try again when it is done"
    )


def explained_by_system(error: OSError, path: Path) -> StoreError:
    """The StoreError for a system error on this file."""
    known = _EXPLANATIONS_OF_THE_SYSTEM.get(error.errno or 0)
    return StoreError(f"{path}: {known or error.strerror or error}")


def check_path(path: Path, *, create: bool) -> None:
    """Refuse a path that cannot be a queue, before SQLite opens it. Raises StoreError."""
    log = _log_of(path)  # first, as a database exists before its log
    found = status_of(path, create=create)
    if found is not None and found.st_nlink > 1:
        raise StoreError(several_names(path, found.st_nlink))
    if log is not None and (found is None or not found.st_size):  # SQLite would remove the log
        what = "missing" if found is None else "empty"
        raise StoreError(
            f"{path}: the file is {what}, but its log {log} is there and may hold jobs; "
            "put the file back, run `restore BACKUP`, or move the log away"
        )
    if found is None and not create:
        real = os.path.realpath(path)
        what = f"a symlink to {real}, which is not there" if path.is_symlink() else "no such file"
        raise StoreError(f"{path}: {what}; `enqueue` creates a queue")


def _log_of(path: Path) -> str | None:
    """The name of the log beside the database, if there is one with something in it."""
    try:
        log = Path(f"{os.path.realpath(path)}-wal")
        return log.name if log.stat().st_size else None
    except (OSError, ValueError):  # the check of the database reports a wrong path
        return None


def status_of(path: Path, *, create: bool) -> os.stat_result | None:
    """The status of the file at this path; None if there is none.

    Raises StoreError if it is no regular file, or if `create` is set and no file can be created there.
    """
    if "\0" in str(path):  # SQLite would take what stands before it
        raise StoreError(f"{str(path)!r}: a null byte cannot be in the name of a file")
    try:
        path.absolute()
    except FileNotFoundError:
        raise StoreError(f"{path}: the current folder was removed; name a file by its full path") from None
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
        if create and not folder.is_dir():
            raise StoreError(f"{path}: there is no folder {folder} to create it in") from None
        return None
    except OSError as error:
        raise explained_by_system(error, path) from error
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(f"{path}: a directory; name a file")
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path}: not a regular file; name another")
    return found


class Explained:
    """Turns the driver's errors into StoreErrors. A class, for speed: every transaction passes here."""

    def __init__(self, path: Path, busy_seconds: float, files: OpenedFiles) -> None:
        self._path = path
        self._files = files
        self._busy_seconds = busy_seconds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, UnicodeEncodeError):
            raise StoreError(f"{self._path}: text that is not valid Unicode cannot be kept") from error
        if isinstance(error, OverflowError):
            raise StoreError(f"{self._path}: a number of more than 64 bits cannot be kept") from error
        if not isinstance(error, sqlite3.DatabaseError):
            return
        if isinstance(error, sqlite3.IntegrityError):
            raise StoreError(f"{self._path}: {refused(rule_of(error))}") from error
        if is_busy(error):
            raise locked(self._path, self._busy_seconds) from error
        self._files.check()
        may_be_written = code_of(error) != sqlite3.SQLITE_IOERR or self._files.may_be_written()
        raise explained(error, self._path, may_be_written=may_be_written) from error


def explained(error: sqlite3.DatabaseError, path: Path, *, may_be_written: bool = True) -> StoreError:
    """The StoreError for an error of SQLite on this file. SQLite does not say why a write failed."""
    code = code_of(error) if may_be_written else sqlite3.SQLITE_READONLY
    if code not in _EXPLANATIONS_FOR_NOW:
        return StoreError(f"{path}: {_EXPLANATIONS.get(code, str(error))}")
    kind = ReadOnly if code == sqlite3.SQLITE_READONLY else StoreUnavailable
    return kind(f"{path}: {_EXPLANATIONS_FOR_NOW[code]}")


_UNIQUE_COLUMNS = {"effects.job_id": ONE_EFFECT, "executions.job_id": ONE_EXECUTION}
"""SQLite names the columns of a unique index, and not the index."""


def rule_of(error: sqlite3.IntegrityError) -> str:
    """The rule that a row broke, in the words of the schema, or else of SQLite."""
    kind, _, columns = str(error).partition(" failed: ")
    rule = _UNIQUE_COLUMNS.get(columns) if kind == "UNIQUE constraint" else None
    return str(error) if rule is None else RULES[rule]
