"""The driver's errors, turned into ours: one line that a user can act on."""

import sqlite3
from pathlib import Path

from system.sqlite.files import OpenedFiles
from system.store import StoreBusy, StoreError, StoreUnavailable

NOT_OURS = "not a queue database, and left as it is; name another file"
_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: NOT_OURS,
    sqlite3.SQLITE_TOOBIG: "a text is longer than SQLite can keep",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged; put a backup in its place",
}
_EXPLANATIONS_FOR_NOW = {
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; this needs leave to write to both",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; SQLite needs leave to read it, and to write to its folder",
    sqlite3.SQLITE_FULL: "the disk is full; make room on it",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; the system's log may say why",
    sqlite3.SQLITE_PROTOCOL: "too many processes want its lock at once",
    sqlite3.SQLITE_PERM: "permission denied; this needs leave to read and write",
}


class ReadOnly(StoreUnavailable):
    """It may only be read. So may the connection for as long as it lives, if it was opened like that."""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds a lock that was needed."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def check_path(path: Path, *, create: bool) -> None:
    """Refuse a path that cannot be a queue, before SQLite is asked. Raises StoreError."""
    if "\0" in str(path):  # SQLite would take what stands before it
        raise StoreError(f"{str(path)!r}: a null byte cannot be in the name of a file")
    try:
        if path.is_file():
            return
        if path.is_dir():
            raise StoreError(f"{path}: a directory; name a file")
        if path.exists():
            raise StoreError(f"{path}: not a regular file; name another")
        if not create:
            raise StoreError(f"{path}: no such file; `enqueue` creates a queue")
        if not path.parent.is_dir():
            raise StoreError(f"{path}: there is no folder {path.parent} to create it in")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


class Explained:
    """Turns the driver's errors into ours. A class, because it is on the path of every transaction."""

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
        if is_busy(error):
            raise StoreBusy(
                f"{self._path}: locked by another process for more than {self._busy_seconds:g} s; "
                "try again when it is done"
            ) from error
        self._files.check()
        code = _code(error)
        if code == sqlite3.SQLITE_IOERR and not self._files.may_be_written():
            code = sqlite3.SQLITE_READONLY  # SQLite does not tell why a write failed
        if code not in _EXPLANATIONS_FOR_NOW:
            raise StoreError(f"{self._path}: {_EXPLANATIONS.get(code, str(error))}") from error
        kind_of_ours = ReadOnly if code == sqlite3.SQLITE_READONLY else StoreUnavailable
        raise kind_of_ours(f"{self._path}: {_EXPLANATIONS_FOR_NOW[code]}") from error
