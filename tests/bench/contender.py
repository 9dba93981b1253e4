"""What is asked of a queue that is measured, and what it promises in return."""

import sqlite3
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import psycopg
from attrs import frozen

Begin = Callable[[], None]
"""Called when everything is open; it returns when the measurement begins."""


@frozen(kw_only=True)
class Promises:
    """What a queue guarantees, as it is measured. In words for a table."""

    commits: str
    """How many transactions that write, and so how many waits for the disk, one job costs."""
    acknowledged: str
    """Whether a job leaves the queue before or after its work."""
    redelivered: str
    """What becomes of the job of a worker that died."""
    effect: str
    """Where the result of the work is kept, and in which transaction."""
    once: str
    """What is done against a worker that was taken for dead and goes on."""
    history: str
    """What can be read afterwards of what happened to the job."""


SQLITE_DURABLE = "journal_mode wal, synchronous 2"
"""In WAL mode each commit waits for the disk at FULL (2), and at no lower level."""
POSTGRESQL_DURABLE = "fsync on, synchronous_commit on, full_page_writes on"
DURABLE = {"SQLite": SQLITE_DURABLE, "PostgreSQL": POSTGRESQL_DURABLE}
POSTGRESQL_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes")


def sqlite_durability(connection: sqlite3.Connection) -> str:
    """The settings of a connection of SQLite."""
    names = ("journal_mode", "synchronous")
    return ", ".join([f"{name} {connection.execute(f'PRAGMA {name}').fetchone()[0]}" for name in names])


def postgresql_durability(connection: psycopg.Connection[Any]) -> str:
    """The settings of a session of PostgreSQL."""
    found = [connection.execute(f"SHOW {name}".encode()).fetchall()[0][0] for name in POSTGRESQL_SETTINGS]
    return ", ".join([f"{name} {value}" for name, value in zip(POSTGRESQL_SETTINGS, found, strict=True)])


class Contender(Protocol):
    """A queue in a database: a file or a DSN. Each method is called in a process of its own."""

    name: ClassVar[str]
    database: ClassVar[str]
    """SQLite or PostgreSQL."""
    needs: ClassVar[tuple[str, ...]]
    """The packages to install, and the modules to import."""
    promises: ClassVar[Promises]
    done_sql: ClassVar[str]
    """Counts the jobs whose work is done and recorded."""

    def create(self, target: str) -> None:
        """Make an empty queue."""
        ...

    def durability(self, target: str) -> str:
        """The settings of its own connection on which the durability of a commit depends."""
        ...

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs, one after the other, each durable before the next."""
        ...

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker: until there is no job, or until killed."""
        ...
