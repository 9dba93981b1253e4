"""Files that are not queues, and a way to be somebody who may not write."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

NOBODY = 65534


def run(path: Path, sql: str) -> None:
    """Change a file behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(sql)


def run_elsewhere(path: Path, sql: str) -> None:
    """As `run`, in another process: within one, SQLite knows what is open and shares it."""
    code = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).executescript(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, str(path), sql], check=True)


def beside(path: Path, suffix: str) -> Path:
    """The log of a database (`-wal`), or the log's index (`-shm`)."""
    return Path(f"{path}{suffix}")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write anything, so be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("This is no database. " * 100),
    "a database": lambda path: run(path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)"),
    "a WAL database": lambda path: run(path, "PRAGMA journal_mode = WAL; CREATE TABLE t (x)"),
    "an application's, still empty": lambda path: run(path, "PRAGMA application_id = 7"),
    "a version's, still empty": lambda path: run(path, "PRAGMA user_version = 7"),
}


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the file itself holds, read with nothing of ours."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    return rows(path, "PRAGMA integrity_check") == [("ok",)] and not rows(path, "PRAGMA foreign_key_check")


def effects(path: Path) -> list[tuple[int, str]]:
    """Job and value of each effect, by job, as the file has them."""
    return rows(path, "SELECT job_id, value FROM effects ORDER BY job_id, id")
