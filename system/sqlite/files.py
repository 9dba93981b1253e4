"""The files that a store has open: their paths, and a check that they still exist.

SQLite continues to write to a file that was removed, and no other process will see what it wrote there. It
follows symlinks to the database, and keeps the log and its index beside the real file. It takes two hard
links to one file for two databases, with a log each. So a path is resolved once, before SQLite opens it, and
a file with a second name is refused.
"""

import os
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from system.store import StoreError, StoreUnavailable

LOGS = ("-wal", "-shm")
"""The files beside a database in use: the log, and the log's index, which the processes share."""
DAMAGED = ".damaged-"
"""A restore adds this and a number to the name of a damaged file that it moves away."""
SAVED = "stop every process of this queue: the last to end saves all jobs"


@frozen
class _Opened:
    """A file as it was when it was opened."""

    shown: str
    device: int
    inode: int
    is_database: bool


class OpenedFiles:
    """The database, its log and the log's index, each known by its device and inode."""

    def __init__(self, path: Path) -> None:
        self._path = path
        named = path.absolute()  # a handler may change the current folder
        self.real = Path(os.path.realpath(named))
        """The path of the database without symlinks, for SQLite."""
        self.shown = self.real if path.is_symlink() else path
        """The path by which messages name the files beside it."""
        self._databases = tuple(dict.fromkeys((str(named), str(self.real))))
        self._opened: dict[str, _Opened] = {}

    def remember(self) -> None:
        """Expect the database to stay, if it exists."""
        for file in self._databases:  # a symlink may be made to lead to another file
            self._remember(file, str(self._path), is_database=True)

    def remember_logs(self, *, required: bool) -> None:
        """Expect the log and its index to stay. Call this after the first read, which makes them.

        SQLite removes them when the last connection is closed, and not before: each holds a lock on the
        database. `required`: raise StoreUnavailable if one is gone already. A database in memory has none.
        """
        for suffix in LOGS:
            shown = f"{self.shown}{suffix}"
            if not self._remember(f"{self.real}{suffix}", shown, is_database=False) and required:
                raise _gone(shown, is_database=False)

    def _remember(self, file: str, shown: str, *, is_database: bool) -> bool:
        if file not in self._opened and Path(file).is_file():
            status = Path(file).stat()
            self._opened[file] = _Opened(shown, status.st_dev, status.st_ino, is_database)
        return file in self._opened

    def check(self) -> None:
        """Raise StoreUnavailable if one is gone or has a second name, StoreError if it is another file."""
        for file, opened in self._opened.items():
            try:
                found = os.stat(file)  # noqa: PTH116 - twice in each transaction, and a Path costs more
            except (FileNotFoundError, NotADirectoryError) as error:
                raise _gone(opened.shown, is_database=opened.is_database) from error
            except OSError as error:
                raise StoreUnavailable(
                    f"{opened.shown}: cannot be reached: {error.strerror}; give this leave to reach it"
                ) from error
            if found.st_ino != opened.inode or found.st_dev != opened.device:
                raise StoreError(
                    f"{opened.shown}: another file has taken its place since it was opened; "
                    "put the first one back, or start again with this one"
                )
            if opened.is_database and found.st_nlink > 1:
                raise StoreUnavailable(several_names(self._path, found.st_nlink))

    def log_is_replaced(self) -> bool:
        """True if other processes may have written to another log, or by another index, than this one.

        An empty log at the place of the one that was removed holds nothing of theirs.
        """
        for suffix in LOGS:
            opened = self._opened.get(f"{self.real}{suffix}")
            try:
                found = Path(f"{self.real}{suffix}").stat()
            except OSError:
                continue
            if opened and (found.st_dev, found.st_ino) != (opened.device, opened.inode) and found.st_size:
                return True
        return False

    def may_be_written(self) -> bool:
        """True if the system says that the database may be written to."""
        return os.access(self.real, os.W_OK)


def several_names(path: Path, names: int) -> str:
    """The message for a database with hard links."""
    if unfinished_move(Path(os.path.realpath(path))):
        return f"{path}: a restore was ended before it was done; run `restore BACKUP` again"
    return (
        f"{path}: the file has {names} names (hard links), and each would get a log of its own, "
        "so that jobs are lost; remove all names but one"
    )


def unfinished_move(real: Path) -> Path | None:
    """The second name that a restore gave to a damaged database before it was killed, if there is one."""
    with suppress(OSError):  # a folder that may not be read, or files that are being moved
        for moved in real.parent.iterdir():
            if moved.name.startswith(f"{real.name}{DAMAGED}") and moved.samefile(real):
                return moved
    return None


def _gone(shown: str, *, is_database: bool) -> StoreUnavailable:
    otherwise = "" if is_database else f", or {SAVED}"
    return StoreUnavailable(f"{shown}: removed or moved while it was open; put it back{otherwise}")
