"""Backup and restore of a queue in a file, beside the workers that use it.

Neither overwrites a file: a backup has a new name, and a restore keeps the old queue under a new name. A
process that is killed leaves the old queue or the new one, and perhaps a file called `unfinished-…`.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path

from attrs import frozen

from system.clock import SystemClock
from system.sqlite.copying import (
    BESIDE,
    Damaged,
    connect,
    copy,
    copy_to_file,
    jobs_in,
    may_be_done,
    sync,
    system_errors_explained,
    undisturbed,
    unfinished,
)
from system.sqlite.errors import RESTORE, Explained, check_path, status_of
from system.sqlite.files import OpenedFiles, several_names, unfinished_move
from system.sqlite.logs import close_all, refuse_without_log
from system.sqlite.replacing import NO_HARD_LINKS, free_name, put_in_place
from system.sqlite.store import BUSY_SECONDS, SQLiteStore
from system.store import StoreError


class Before(Enum):
    """The queue that a restore found."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    MISSING = "missing"


@frozen(kw_only=True)
class Restored:
    """The result of a restore: the number of jobs, the state of the old queue, and the file that keeps it."""

    jobs: int
    before: Before
    kept: Path | None


def back_up(path: Path, target: Path, *, busy_seconds: float = BUSY_SECONDS) -> int:
    """Write the queue to a new file, while others work on it. Gives its number of jobs. Raises StoreError."""
    check_path(path, create=False)
    _check_target(target)
    with closing(SQLiteStore(path, clock=SystemClock(), busy_seconds=busy_seconds)):
        return _write_copy(path, target, busy_seconds)


def _check_target(target: Path) -> None:
    status_of(target, create=True)
    for suffix in ("", *BESIDE):
        if os.path.lexists(f"{target}{suffix}"):
            raise StoreError(f"{target}{suffix}: exists already, and is left as it is; name a new file")


def _write_copy(path: Path, target: Path, busy_seconds: float) -> int:
    """Copy an open queue to a new file, which is whole or does not exist. Returns the number of jobs."""
    files = OpenedFiles(path)
    folder = target.absolute().parent
    with system_errors_explained(target), unfinished(folder, files.real.stat()) as file:
        with _opened(path, files, busy_seconds) as source:
            copy_to_file(source, file, from_path=path, to_path=target, busy_seconds=busy_seconds)
            files.check()
        try:
            jobs = jobs_in(file, "immutable=1", path)
        except Damaged as error:
            raise Damaged(f"{error}, and no backup was made; {RESTORE}") from error
        with undisturbed():
            _name(file, target)
            sync(folder)
    return jobs


@contextmanager
def _opened(path: Path, files: OpenedFiles, busy_seconds: float) -> Iterator[sqlite3.Connection]:
    """A connection to a queue that a store has open. Its files are expected to stay."""
    files.remember()
    with Explained(path, busy_seconds, files):
        connection = connect(files.real, "mode=rw", busy_seconds)
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
            files.remember_logs(required=True)
            yield connection
        finally:
            close_all((connection,), files)


def _name(file: Path, target: Path) -> None:
    """Give the file this name, unless another file has it."""
    try:
        os.link(file, target)  # a rename would replace what is there
        file.unlink()
    except FileExistsError:
        raise StoreError(f"{target}: exists already, and is left as it is; name a new file") from None
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        _check_target(target)
        file.rename(target)


def restore(path: Path, backup: Path, *, busy_seconds: float = BUSY_SECONDS) -> Restored:
    """Replace the queue by the backup. After StoreError the queue is as it was.

    A queue that is not damaged is replaced in one transaction, while other processes have it open. A damaged
    one is moved away with the files beside it; no store of this process may have it open then.
    """
    found = status_of(path, create=True)
    _check_backup(path, backup)
    files = OpenedFiles(path)
    before = _before(path, found, files, busy_seconds)
    like = (files.real if before is not Before.MISSING else backup).stat()
    with system_errors_explained(path), unfinished(files.real.parent, like) as file:
        jobs = _take(backup, file, path, busy_seconds)
        if before is Before.WHOLE:
            kept: Path | None = _restore_into(path, files, file, busy_seconds)
        else:
            kept = put_in_place(path, files.real, file, found)
    return Restored(jobs=jobs, before=before, kept=kept and files.shown.with_name(kept.name))


def _check_backup(path: Path, backup: Path) -> None:
    found = status_of(backup, create=False)
    if found is None:
        raise StoreError(f"{backup}: no such file; name a file that `backup` has made")
    if path.exists() and path.samefile(backup):
        raise StoreError(f"{backup}: the queue itself; name a file that `backup` has made")
    for suffix in ("-wal", "-journal"):
        beside = Path(f"{os.path.realpath(backup)}{suffix}")
        if beside.exists() and beside.stat().st_size:
            raise StoreError(
                f"{backup}: in use or not closed, for {beside.name} lies beside it; "
                f"`--db {backup} backup NEW` makes a backup of it"
            )


def _before(path: Path, found: os.stat_result | None, files: OpenedFiles, busy_seconds: float) -> Before:
    """The state of the queue that is there. Raises StoreError if it must not be replaced."""
    if found is None:
        return Before.MISSING
    if found.st_nlink > 1:
        if unfinished_move(files.real) is None:
            raise StoreError(several_names(path, found.st_nlink))
        return Before.DAMAGED  # by a restore that was killed halfway
    if not found.st_size:
        return Before.DAMAGED
    refuse_without_log(path, files, SystemClock(), busy_seconds)
    log = Path(f"{files.real}-wal").exists()  # a connection that may only read leaves the log as it is
    try:
        jobs_in(files.real, "mode=ro" if log else "mode=rw", path, busy_seconds)
    except Damaged:
        return Before.DAMAGED
    return Before.WHOLE


def _take(backup: Path, file: Path, path: Path, busy_seconds: float) -> int:
    """Copy a backup, upgrade the copy, and sync it. Returns the number of its jobs."""
    real = Path(os.path.realpath(backup))
    try:
        jobs = jobs_in(real, "immutable=1", backup)
        with closing(connect(real, "immutable=1")) as source:
            copy_to_file(source, file, from_path=backup, to_path=path, busy_seconds=busy_seconds)
        jobs_in(file, "immutable=1", backup)
    except Damaged as error:
        raise StoreError(f"{error}, and was not restored; name another backup") from error
    try:
        SQLiteStore(file, clock=SystemClock()).close()
    except StoreError as error:  # the user does not know the temporary file
        raise StoreError(str(error).replace(str(file), str(path))) from error
    sync(file)
    return jobs


def _restore_into(path: Path, files: OpenedFiles, file: Path, busy_seconds: float) -> Path:
    """Replace the content of the queue. Returns the file that keeps the old content."""
    kept = free_name(files.real, ".replaced-")

    def keep() -> None:
        files.check()
        _write_copy(path, kept, busy_seconds)

    with (
        closing(SQLiteStore(path, clock=SystemClock(), busy_seconds=busy_seconds)),
        _opened(path, files, busy_seconds) as to,
    ):
        to.execute("PRAGMA synchronous = FULL")
        (page_bytes,) = to.execute("PRAGMA page_size").fetchone()
        before = to.execute("PRAGMA schema_version").fetchone()
        with closing(_with_pages_of(page_bytes, file)) as source:
            try:
                copy(source, to, from_path=path, to_path=path, busy_seconds=busy_seconds, while_locked=keep)
            except BaseException as error:  # a signal may come after it was done
                if (
                    not may_be_done(error.__cause__)
                    and to.execute("PRAGMA schema_version").fetchone() == before
                ):
                    kept.unlink(missing_ok=True)
                raise
        files.check()
    return kept


def _with_pages_of(page_bytes: int, file: Path) -> sqlite3.Connection:
    """A connection to the file, with pages of this size: the size of an open database is fixed."""
    connection = connect(file, "mode=rw")
    if connection.execute("PRAGMA page_size").fetchone() != (page_bytes,):
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("VACUUM")
    return connection
