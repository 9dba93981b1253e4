"""Protects a log that was removed while a process has the database open.

The commits of that process are in the log that has lost its name. SQLite writes them into the database when
the last connection is closed. So another process must not begin a new log before that. Where a new log was
begun all the same, the old one must not overwrite its commits.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from system.clock import Clock
from system.sqlite.errors import is_busy
from system.sqlite.files import LOGS, SAVED, OpenedFiles
from system.store import StoreBusy

RETRY_SECONDS = 0.01
_MOMENT_SECONDS = 1.0
"""Longer than it takes another process to open or close the database, on a machine that is not idle."""


def refuse_without_log(path: Path, files: OpenedFiles, clock: Clock, busy_seconds: float) -> None:
    """Raise StoreBusy if another process has the database open, and its log or the log's index is missing.

    Both are missing for a moment while another process opens or closes it: wait for that in any case.
    """
    tries = round(max(busy_seconds, _MOMENT_SECONDS) / RETRY_SECONDS)
    for tries_left in range(tries, -1, -1):
        missing = [suffix for suffix in LOGS if not Path(f"{files.real}{suffix}").exists()]
        if not missing or not _is_used(files.real):
            return
        if tries_left:
            clock.sleep(RETRY_SECONDS)
    raise StoreBusy(
        f"{path}: another process has it open, and {files.shown}{missing[0]} is missing; "
        f"{SAVED}; then try again"
    )


def _is_used(real: Path) -> bool:
    """True if another connection has the database open: then an exclusive lock cannot be taken."""
    if not real.exists() or not real.stat().st_size:
        return False
    try:
        probe = sqlite3.connect(f"{real.as_uri()}?mode=rw", timeout=0, isolation_level=None, uri=True)
        with closing(probe):
            probe.execute("PRAGMA locking_mode = EXCLUSIVE")
            probe.execute("SELECT 1 FROM sqlite_schema").fetchall()
    except sqlite3.DatabaseError as error:  # opening the database reports any other error
        return is_busy(error)
    return False


def close_all(connections: Iterable[sqlite3.Connection], files: OpenedFiles) -> None:
    """Close the connections. If another log has replaced theirs, keep SQLite from writing their log.

    SQLite writes the log when the last connection is closed, under an exclusive lock. A connection that may
    only read cannot take this lock, and while it is open no other connection of the process can.
    """
    reader = _reader(files.real) if files.log_is_replaced() else None
    try:
        for connection in connections:
            connection.close()
    finally:
        if reader is not None:
            reader.close()


def _reader(real: Path) -> sqlite3.Connection | None:
    with suppress(sqlite3.DatabaseError):
        reader = sqlite3.connect(f"{real.as_uri()}?mode=ro", timeout=0, isolation_level=None, uri=True)
        with suppress(sqlite3.DatabaseError):  # it holds its lock also where it cannot read the log
            reader.execute("SELECT 1 FROM sqlite_schema").fetchall()
        return reader
    return None
