"""Temporary folders. A folder belongs to one process and is removed when the process ends, or soon after.

A folder has a file, its mark, which the owner keeps locked. The kernel unlocks it in any case when the owner
ends, so a mark that can be locked has no owner any more. A process id would not be enough: it may be used
again, or mean another process in another container. The owner removes its folder when it ends;
`sweep` removes the folders of owners that were killed.

The temporary databases are in memory where there is a memory file system, or in the folder that the
environment variable NAMED names. If there is no room left, `NoRoom` is raised, which is never a finding.

A folder is never removed if its owner lives, if it has no mark, or if it belongs to another user. The mark
gets its name after it is locked, and is removed last, so two processes never disagree about a folder.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = "queue-"
MARK = ".queue-owner"
_TEXT = b"A temporary folder of the failure modes' checker. Its owner holds a lock on this file.\n"

_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB

MEMORY = Path("/dev/shm")
"""The memory file system; not every machine has one."""

NAMED = "QUEUE_TEST_FOLDER"
"""The environment variable that names another folder for the temporary databases."""

NAME_LENGTH_MAX = 50
"""The longest path that leaves enough room for the name of a socket: the system allows about 100 bytes."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SQLITE_NO_ROOM = (13, 10)
"""SQLITE_FULL, and SQLITE_IOERR, which SQLite raises for some writes to a full disk."""

_LAST = -200
"""The priority of the clean-up, after that of multiprocessing (-100), which has files in such a folder."""

_marks: dict[Path, int | None] = {}
"""The folders of this process, each with its locked mark; None if files cannot be locked."""


class NoRoom(BaseException):
    """A temporary database could not be written. Not an Exception, so that no search takes it for a finding.

    The message names the folder and says what to do.
    """


def create(above: Path, prefix: str = PREFIX) -> Path:
    """Make a folder that is removed when this process ends. Raises OSError.

    The prefix must start with PREFIX: `sweep` looks only at such folders.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=above))
    try:
        _marks[folder] = _marked(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(folder)
        raise
    from multiprocessing.util import Finalize  # only here: many commands make no folder

    Finalize(None, remove, args=(folder,), exitpriority=_LAST)
    return folder


@cache
def own() -> Path:
    """The folder of this process. Its path is short, and it is in memory if possible.

    Raises NoRoom, and OSError if the folder cannot be made for another reason.
    """
    try:
        return create(named() or _usual())
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(Path(str(error.filename)).parent, error) from error
        raise


def named() -> Path | None:
    """The folder that the environment names, or None. Raises OSError if the folder cannot be used."""
    name = os.environ.get(NAMED)
    if not name:
        return None
    folder = Path(name).absolute()
    if not _usable(folder) or len(str(folder)) > NAME_LENGTH_MAX:
        right = f"a folder that can be written to, whose path has at most {NAME_LENGTH_MAX} characters"
        raise OSError(errno.EINVAL, f"{NAMED} must name {right}", name)
    return folder


@contextmanager
def room() -> Iterator[None]:
    """Inside, raise NoRoom instead of an error that means that a temporary database could not be written."""
    try:
        yield
    except Exception as error:
        no_room = no_room_in(error)
        if no_room is None:
            raise
        raise no_room from error


def no_room_in(error: BaseException) -> NoRoom | None:
    """The NoRoom for an error of a temporary database; None if the error has another reason."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        if code & 0xFF not in _SQLITE_NO_ROOM:
            return None
    elif isinstance(error, OSError):
        if error.errno not in _NO_ROOM or not _is_below(own(), error.filename):
            return None
    elif error.__cause__ is None or str(own()) not in str(error):
        return None
    else:
        return no_room_in(error.__cause__)
    return _no_room(own().parent, error)


def _no_room(above: Path, error: BaseException) -> NoRoom:
    why = (error.strerror if isinstance(error, OSError) else None) or error
    return NoRoom(
        f"{above}: no temporary database can be written there ({why}); make room, or name another folder in"
        f" {NAMED}"
    )


def _is_below(folder: Path, name: object) -> bool:
    return isinstance(name, str | bytes | os.PathLike) and Path(os.fsdecode(name)).is_relative_to(folder)


def _usual() -> Path:
    folders = (MEMORY if _usable(MEMORY) else None, Path(tempfile.gettempdir()), Path("/tmp"))
    return next(folder for folder in folders if folder and len(str(folder)) <= NAME_LENGTH_MAX)


def remove(folder: Path) -> None:
    """Remove a folder of this process and its content, unless `keep_for_user` was called for it."""
    if folder in _marks:
        _clear(folder)
    if not folder.exists():
        _unlock(folder)


def keep_for_user(folder: Path) -> None:
    """Leave a folder of this process to the user: no process removes it."""
    if folder in _marks:
        (folder / MARK).unlink(missing_ok=True)
        _unlock(folder)


def places() -> list[Path]:
    """The places where the folders of the checker are."""
    chosen = [Path(os.environ[NAMED]).absolute()] if os.environ.get(NAMED) else []
    return [*dict.fromkeys([*chosen, MEMORY, Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")])]


def sweep() -> None:
    """Remove the folders of processes that have ended."""
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
    """The locked mark of a new folder; None if files cannot be locked: then no sweep removes the folder."""
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
    """Remove the folder if this user made it and its owner has ended."""
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
    """Remove the content of the folder, then the mark, then the folder."""
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
