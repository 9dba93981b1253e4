"""Temporary folders. Each belongs to one process, and is removed when that process ends, or soon after.

A folder holds a file, its mark, which the owner keeps locked. The kernel unlocks it when the owner ends,
however it ends, so a mark that can be locked has no owner any more. The number of a process would not do: it
may be used again, or mean another process in another container. The owner removes its folder when it ends;
`sweep` removes the folders of owners that were killed.

A folder is never removed if its owner lives, if it has no mark, or if it belongs to another user. The mark
gets its name when it is locked already, and is removed last, so two processes never disagree about a folder.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

PREFIX = "queue-"
MARK = ".queue-owner"
_TEXT = b"A temporary folder of the failure modes' checker. Its owner holds a lock on this file.\n"

_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB

MEMORY = Path("/dev/shm")
"""A memory file system, where there is one."""

NAME_LENGTH_MAX = 50
"""A longer path leaves too little room for the name of a socket: the system allows about 100 bytes."""

_LAST = -200
"""When a process ends, multiprocessing first removes what it keeps in such a folder (at -100)."""

_marks: dict[Path, int | None] = {}
"""The folders of this process, each with its locked mark, where files can be locked."""


def create(above: Path, prefix: str = PREFIX) -> Path:
    """Make a folder that is removed when this process ends. Raises OSError.

    The prefix starts with PREFIX: `sweep` looks at no other folder.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
    try:
        _marks[folder] = _marked(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    Finalize(None, remove, args=(folder,), exitpriority=_LAST)
    return folder


@cache
def own() -> Path:
    """The folder of this process. Its path is short, and it is in memory where that is possible."""
    folders = (MEMORY if _usable(MEMORY) else None, Path(tempfile.gettempdir()), Path("/tmp"))
    return create(next(folder for folder in folders if folder and len(str(folder)) <= NAME_LENGTH_MAX))


def remove(folder: Path) -> None:
    """Remove a folder of this process, with all that is in it, unless it is to stay."""
    if folder in _marks:
        _clear(folder)
    if not folder.exists():
        _unlock(folder)


def let_stay(folder: Path) -> None:
    """Leave a folder of this process to the user: nobody removes it."""
    if folder in _marks:
        (folder / MARK).unlink(missing_ok=True)
        _unlock(folder)


def places() -> list[Path]:
    """Where the folders of the checker are."""
    return [*dict.fromkeys([MEMORY, Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")])]


def sweep() -> None:
    """Remove the folders of processes that are gone."""
    for above in places():
        with suppress(OSError):
            for folder in sorted(above.glob(f"{PREFIX}*")):
                _remove_if_left(folder)


def _unlock(folder: Path) -> None:
    mark = _marks.pop(folder, None)
    if mark is not None:
        os.close(mark)


def _usable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _marked(folder: Path) -> int | None:
    """The locked mark of a new folder. None where files cannot be locked: nobody sweeps that folder."""
    unfinished = folder / f"{MARK}.new"
    mark = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(mark, _AT_ONCE)
    except OSError:
        os.close(mark)
        unfinished.unlink()
        return None
    os.write(mark, _TEXT)
    unfinished.rename(folder / MARK)
    return mark


def _remove_if_left(folder: Path) -> None:
    """Remove the folder if it is ours and its owner is gone."""
    try:
        mark = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        if _is_ours(folder, mark):
            fcntl.flock(mark, _AT_ONCE)  # raises BlockingIOError if the owner lives
            if os.path.samestat(os.fstat(mark), (folder / MARK).stat()):
                _clear(folder)
    except OSError:
        pass
    finally:
        os.close(mark)


def _is_ours(folder: Path, mark: int) -> bool:
    """True if this user made the folder. Root may have given it to the user that a server runs as."""
    user, of_folder, of_mark = os.geteuid(), folder.lstat(), os.fstat(mark)
    return (
        stat.S_ISDIR(of_folder.st_mode)
        and (of_folder.st_uid == user or user == 0)
        and stat.S_ISREG(of_mark.st_mode)
        and (of_mark.st_uid, of_mark.st_nlink) == (user, 1)
        and os.pread(mark, len(_TEXT) + 1, 0) == _TEXT
    )


def _clear(folder: Path) -> None:
    """Remove what is in the folder, and the mark and the folder itself only when all else is gone."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if entry.name == MARK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        if all(entry.name == MARK for entry in folder.iterdir()):
            (folder / MARK).unlink(missing_ok=True)
            folder.rmdir()
