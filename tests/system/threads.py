"""Threads that begin together, and the connections that a store opens for them."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from system.clock import Clock
from system.postgresql import PostgreSQLStore
from system.postgresql import connecting as connecting_to_server
from system.postgresql.connecting import Connection
from system.sqlite import SQLiteStore, connecting
from system.store import Store
from tests.system.databases import Database, PostgreSQL, SQLite

AT_ONCE = 8
PATIENT_SECONDS = 60.0
Opened = list[sqlite3.Connection | Connection]
T = TypeVar("T")


def counted(database: Database, clock: Clock) -> tuple[Store, Opened]:
    """A store in it, and the connections that it opens."""
    opened: Opened = []

    def remembered(connection: Any) -> Any:
        opened.append(connection)
        return connection

    if isinstance(database, SQLite):
        to_file = connecting(PATIENT_SECONDS)
        return (
            SQLiteStore(database.path, clock=clock, connect=lambda target: remembered(to_file(target))),
            opened,
        )
    assert isinstance(database, PostgreSQL)
    return (
        PostgreSQLStore(
            database.dsn,
            clock=clock,
            busy_seconds=PATIENT_SECONDS,
            connect=lambda dsn: remembered(connecting_to_server(dsn)),
        ),
        opened,
    )


def is_closed(connection: sqlite3.Connection | Connection) -> bool:
    """Whether it has let go of its database."""
    if not isinstance(connection, sqlite3.Connection):
        return bool(connection.closed)
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def in_threads(number: int, work: Callable[[int], T]) -> list[T]:
    """Run it in so many threads that begin together; what they return."""
    gate = threading.Barrier(number)

    def run(thread: int) -> T:
        gate.wait(PATIENT_SECONDS)
        return work(thread)

    with ThreadPoolExecutor(number) as threads:
        return [one.result(PATIENT_SECONDS) for one in [threads.submit(run, n) for n in range(number)]]
