"""The databases of this process of the checker: each is made once, and emptied for each run."""

import atexit
import os
from functools import cache
from typing import Any

import psycopg
from attrs import define, field

from failure_modes.checker.simulation.postgresql import server_time, within_statements
from failure_modes.checker.simulation.postgresql.pausing_connection import PausingConnection
from failure_modes.checker.simulation.postgresql.server_time import ServerTime
from failure_modes.checker.simulation.stepping import StatementResult
from failure_modes.checker.simulation.subject import Layout, Subject
from failure_modes.checker.support.postgresql.server import fresh_database, server

_EMPTIED_BEFORE_TRUNCATE = 100

SetUp = dict[tuple[str, tuple[Any, ...]], StatementResult]


@define
class ServerDatabase:
    """A database at a server, a control connection, and a connection for each virtual process."""

    dsn: str
    control: psycopg.Connection[tuple[Any, ...]]
    """The connection that reads the rows and asks the server who waits. Each world in turn uses it."""
    kind: str
    """The kind of database, as `Subject.database` says."""
    layout: Layout
    time: ServerTime
    _pool: dict[str, tuple[PausingConnection, SetUp]] = field(factory=dict)
    _emptied: int = 0

    def connection(self, name: str) -> tuple[PausingConnection, SetUp]:
        """The open connection of that name, and the set-up statements that ran on it before."""
        known = self._pool.get(name)
        if known is None or known[0].closed:
            opened = PausingConnection.connect(
                self.dsn, autocommit=True, client_encoding="utf8", application_name="0"
            )
            known = self._pool[name] = opened, {}
        return known

    def close(self) -> None:
        """Close all connections."""
        self.control.close()
        for connection, _ in self._pool.values():
            connection.close()

    def empty(self) -> None:
        """Remove all rows, and let the ids begin again."""
        self._emptied += 1
        audit = () if self.layout.audit is None else (self.layout.audit,)
        tables = (*self.layout.tables, *audit)
        clears = ";".join([f"DELETE FROM {table}" for table in reversed(tables)])
        if self._emptied % _EMPTIED_BEFORE_TRUNCATE == 0:  # slower, but it leaves no dead rows
            clears = f"TRUNCATE {', '.join(tables)}"
        restarts = [f"SELECT setval('{table}_id_seq', 1, false)" for table in (*self.layout.numbered, *audit)]
        self.control.execute(";".join([clears, *restarts]))


@cache
def _free(process: int, kind: str) -> list[ServerDatabase]:  # noqa: ARG001 (a list for each)
    """The unused databases of that process: a child process cannot use the connections of its parent."""
    free: list[ServerDatabase] = []
    atexit.register(_close, free, process)
    return free


def _close(databases: list[ServerDatabase], process: int) -> None:
    if os.getpid() == process:
        for database in databases:
            database.close()


def acquire(subject: Subject) -> ServerDatabase:
    """Acquire an empty database that no other world uses. Raises NoServer."""
    free = _free(os.getpid(), subject.database)
    while free:
        database = free.pop()
        try:
            database.empty()
            return database
        except psycopg.OperationalError:  # its server was restarted meanwhile, or stopped
            database.close()
    dsn = fresh_database(server())
    subject.create(dsn)
    control = psycopg.connect(dsn, autocommit=True, client_encoding="utf8")
    server_time.install(control)
    within_statements.install(control, subject.layout)
    return ServerDatabase(
        dsn=dsn, control=control, kind=subject.database, layout=subject.layout, time=ServerTime(control)
    )


def release(database: ServerDatabase) -> None:
    """Let the next world use the database."""
    _free(os.getpid(), database.kind).append(database)
