"""The databases of this process of the checker: made once, emptied for each run."""

import atexit
import os
from functools import cache
from typing import Any

import psycopg
from attrs import define, field

from failure_modes.checker.simulation.postgresql.stepping import PausingConnection
from failure_modes.checker.simulation.stepping import Ran
from failure_modes.checker.simulation.subject import Layout, Subject
from failure_modes.checker.support.postgresql.server import fresh_database, server

_EMPTIED_BEFORE_TRUNCATE = 100

SetUp = dict[tuple[str, tuple[Any, ...]], Ran]


@define
class ServerDatabase:
    """A database at the server, a connection to watch it by, and one for each virtual process."""

    dsn: str
    control: psycopg.Connection[tuple[Any, ...]]
    """The same one for every world: it watches the rows, and asks the server."""
    kind: str
    """What made it, as the subject calls that."""
    layout: Layout
    _pool: dict[str, tuple[PausingConnection, SetUp]] = field(factory=dict)
    _emptied: int = 0

    def connection(self, name: str) -> tuple[PausingConnection, SetUp]:
        """The connection of that name, opened anew if it was closed, and what was set on it."""
        known = self._pool.get(name)
        if known is None or known[0].closed:
            opened = PausingConnection.connect(self.dsn, autocommit=True, client_encoding="utf8")
            known = self._pool[name] = opened, {}
        return known

    def close(self) -> None:
        """Let go of the server."""
        self.control.close()
        for connection, _ in self._pool.values():
            connection.close()

    def empty(self) -> None:
        """As it was when it was made."""
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
    """Those of that process: what one has open is no use to its child."""
    free: list[ServerDatabase] = []
    atexit.register(_close, free, process)
    return free


def _close(databases: list[ServerDatabase], process: int) -> None:
    if os.getpid() == process:
        for database in databases:
            database.close()


def take(subject: Subject) -> ServerDatabase:
    """An empty database that no other world uses. Raises NoServer."""
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
    return ServerDatabase(dsn=dsn, control=control, kind=subject.database, layout=subject.layout)


def give_back(database: ServerDatabase) -> None:
    """Nobody uses it any more."""
    _free(os.getpid(), database.kind).append(database)
