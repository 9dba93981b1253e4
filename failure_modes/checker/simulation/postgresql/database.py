"""The databases of this process of the checker: made once, emptied for each run."""

import atexit
import os
from functools import cache
from typing import Any

import psycopg
from attrs import define, field

from failure_modes.checker.simulation.constraints import drop_constraints
from failure_modes.checker.simulation.postgresql.stepping import PausingConnection
from failure_modes.checker.simulation.stepping import Ran
from failure_modes.checker.support.postgresql.server import fresh_database, server
from system.postgresql import PostgreSQLStore

TABLES = ("jobs", "executions", "effects", "retries", "breaker", "audit")
COUNTED = ("jobs", "executions", "effects", "retries", "audit")
"""The tables whose ids the database gives."""

_EMPTIED_BEFORE_TRUNCATE = 100
_RESTART = "SELECT " + ", ".join([f"setval('{table}_id_seq', 1, false)" for table in COUNTED])
_EMPTY = ";".join([f"DELETE FROM {table}" for table in reversed(TABLES)])
_TRUNCATE = f"TRUNCATE {', '.join(TABLES)}"
"""Slower than to delete, but it leaves no dead rows."""

SetUp = dict[tuple[str, tuple[Any, ...]], Ran]


@define
class Database:
    """A database, a connection to watch it by, and one for each virtual process."""

    dsn: str
    control: psycopg.Connection[tuple[Any, ...]]
    """The same one for every world: it watches the store, and asks the server."""
    constraints: bool = True
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
        clears = _EMPTY if self._emptied % _EMPTIED_BEFORE_TRUNCATE else _TRUNCATE
        self.control.execute(f"{clears};{_RESTART}")


@cache
def _free(process: int, constraints: bool) -> list[Database]:  # noqa: ARG001 (a list for each)
    """Those of that process: what one has open is no use to its child."""
    free: list[Database] = []
    atexit.register(_close, free, process)
    return free


def _close(databases: list[Database], process: int) -> None:
    if os.getpid() == process:
        for database in databases:
            database.close()


def take(*, constraints: bool = True) -> Database:
    """An empty database that no other world uses. Raises NoServer."""
    free = _free(os.getpid(), constraints)
    while free:
        database = free.pop()
        try:
            database.empty()
            return database
        except psycopg.OperationalError:  # its server was restarted meanwhile, or stopped
            database.close()
    dsn = fresh_database(server())
    PostgreSQLStore(dsn, create=True).close()
    control = psycopg.connect(dsn, autocommit=True, client_encoding="utf8")
    if not constraints:
        drop_constraints(control.execute)
    return Database(dsn=dsn, control=control, constraints=constraints)


def give_back(database: Database) -> None:
    """Nobody uses it any more."""
    _free(os.getpid(), database.constraints).append(database)
