"""The files that a store has open, and whether they are still where they were.

SQLite goes on writing to a file that was removed, and nobody else will ever see what it wrote there.
"""

import os
from pathlib import Path

from system.store import StoreError, StoreUnavailable

_Identity = tuple[int, int]


class OpenedFiles:
    """The database and its log, each known by its device and inode."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._absolute = path.absolute()  # a handler may change the current folder
        self._opened: dict[Path, _Identity] = {}

    def remember(self, suffix: str = "") -> None:
        """Expect this file to stay; not if there is none, as beside a database in memory."""
        file = Path(f"{self._absolute}{suffix}")
        if file not in self._opened and file.is_file():
            self._opened[file] = _identity(file)

    def check(self) -> None:
        """Raise StoreUnavailable if one is gone, and StoreError if another file is in its place."""
        for file, opened in self._opened.items():
            try:
                found = _identity(file)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise StoreUnavailable(
                    f"{self._shown(file)}: removed or moved while it was open; put it back"
                ) from error
            except OSError as error:
                raise StoreUnavailable(
                    f"{self._shown(file)}: cannot be reached: {error.strerror}; give this leave to reach it"
                ) from error
            if found != opened:
                raise StoreError(
                    f"{self._shown(file)}: another file has taken its place since it was opened; "
                    "put the first one back, or start again with this one"
                )

    def may_be_written(self) -> bool:
        """Whether the database may be written to, as far as the system tells."""
        return os.access(self._absolute, os.W_OK)

    def _shown(self, file: Path) -> str:
        return f"{self._path}{file.name.removeprefix(self._absolute.name)}"


def _identity(file: Path) -> _Identity:
    status = file.stat()
    return status.st_dev, status.st_ino
