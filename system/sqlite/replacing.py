"""Puts a file in the place of a damaged or missing database, and keeps what was there.

A database is three files, and no system moves three files at once. So the damaged database gets a second
name first: no store opens a database with two names, or commits to it. If this process is killed at any
point, no process works on a database without its log, or on a new one with an old log; and the restore can
be run again. On a disk without hard links the damaged file is moved away instead, and there is no file until
the end.
"""

import errno
import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

from system.sqlite.copying import BESIDE, sync, undisturbed
from system.sqlite.errors import RESTORE
from system.sqlite.files import DAMAGED, unfinished_move
from system.store import StoreBusy, StoreError

NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""The errors of a file system without hard links."""
_LOCKS = {"": (0x40000000, 512), "-shm": (120, 9)}
"""The bytes of a database and of its log's index that SQLite locks: the first one, and how many."""


def put_in_place(path: Path, real: Path, file: Path, found: os.stat_result | None) -> Path | None:
    """Move the old database away with the files beside it, and put the file in its place.

    Returns the path of what was moved away: the database, or a log without one. Raises StoreBusy while
    another process has it open. No connection of this process may have it open: its locks would be lost.
    """
    refuse_if_open(path, real)
    with undisturbed(), ExitStack() as undo:
        try:
            kept = _move_away(path, real, found, undo)
            sync(real.parent)
            _check_free(path, real, found)
            file.replace(real)
        except BaseException:
            if _is_taken(real, found):  # another file is there now: the old logs are not its logs
                undo.pop_all()
            raise
        undo.pop_all()
    sync(real.parent)
    return kept


def _move_away(path: Path, real: Path, found: os.stat_result | None, undo: ExitStack) -> Path | None:
    _check_free(path, real, found)
    kept = unfinished_move(real)
    if real.exists() and kept is None:
        kept = free_name(real, DAMAGED)
        _second_name(real, kept, undo)
        refuse_if_open(path, real)  # for those that came before the second name did
    return _move_logs(real, kept, undo)


def _check_free(path: Path, real: Path, found: os.stat_result | None) -> None:
    if _is_taken(real, found):
        raise StoreError(f"{path}: another process has put a file there meanwhile; run `restore` again")


def _is_taken(real: Path, found: os.stat_result | None) -> bool:
    """True if there is a file, and not the one that was found."""
    try:
        now = real.stat()
    except FileNotFoundError:
        return False
    return found is None or not os.path.samestat(now, found)


def _second_name(real: Path, moved: Path, undo: ExitStack) -> None:
    try:
        os.link(real, moved)
        undo.callback(moved.unlink)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        real.rename(moved)
        undo.callback(moved.rename, real)


def _move_logs(real: Path, kept: Path | None, undo: ExitStack) -> Path | None:
    """Move what lies beside the database beside what is kept of it. Returns what is kept."""
    logs = [suffix for suffix in BESIDE if os.path.lexists(f"{real}{suffix}")]
    beside = kept
    if beside is None or any(os.path.lexists(f"{beside}{suffix}") for suffix in logs):
        beside = free_name(real, DAMAGED)
    for suffix in logs:
        log, moved = Path(f"{real}{suffix}"), Path(f"{beside}{suffix}")
        log.rename(moved)
        undo.callback(moved.rename, log)
        kept = kept or moved
    return kept


def free_name(real: Path, what: str) -> Path:
    """A free name beside the database; the names of the files beside it are free, too."""
    number = 1
    while any(os.path.lexists(f"{real}{what}{number}{suffix}") for suffix in ("", *BESIDE)):
        number += 1
    return Path(f"{real}{what}{number}")


def refuse_if_open(path: Path, real: Path) -> None:
    """Raise StoreBusy if another process has the database or its log open."""
    for suffix, (first, count) in _LOCKS.items():
        try:
            descriptor = os.open(f"{real}{suffix}", os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
        except (BlockingIOError, PermissionError) as error:
            raise StoreBusy(f"{path}: another process has it open; {RESTORE} again") from error
        finally:
            os.close(descriptor)  # which ends the lock, too
