"""No queue, only what five durable steps cannot do without: a row, and five commits of one statement each.

What a queue takes beyond that is its own; what this takes is the disk's, the database's and the driver's.
"""

import sqlite3
from contextlib import closing
from typing import Any, ClassVar

import psycopg

from tests.bench.contender import Begin, Promises, postgresql_durability, sqlite_durability
from tests.bench.sqlite_peers import until_free

PROMISES = Promises(
    commits="5",
    acknowledged="after",
    redelivered="no",
    effect="none",
    once="nothing",
    history="none",
)
_CREATE = "CREATE TABLE bare (id {id} PRIMARY KEY, payload TEXT NOT NULL, step INTEGER NOT NULL)"
_INDEX = "CREATE INDEX bare_waiting ON bare (id) WHERE step = 0"
_LEASE = (
    "UPDATE bare SET step = 1 WHERE id = (SELECT id FROM bare WHERE step = 0 ORDER BY id LIMIT 1 {lock})"
    " RETURNING id"
)


def _work(connection: Any, lease: str, step: str, *, drain: bool) -> None:
    while True:
        rows = until_free(lambda: connection.execute(lease).fetchall())
        for (number,) in rows:
            for after in (2, 3, 4):
                _run(connection, step, (after, number))
        if drain and not rows:
            return


def _run(connection: Any, statement: str, values: tuple[object, ...]) -> None:
    until_free(lambda: connection.execute(statement, values))


class BareSQLite:
    """A table in SQLite."""

    name: ClassVar[str] = "bare rows (SQLite)"
    database: ClassVar[str] = "SQLite"
    needs: ClassVar[tuple[str, ...]] = ()
    promises: ClassVar[Promises] = PROMISES
    done_sql: ClassVar[str] = "SELECT count(*) FROM bare WHERE step = 4"

    def _opened(self, target: str) -> closing[sqlite3.Connection]:
        connection = sqlite3.connect(target, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return closing(connection)

    def create(self, target: str) -> None:
        """Make an empty table."""
        with self._opened(target) as connection:
            for statement in (_CREATE.format(id="INTEGER"), _INDEX):
                connection.execute(statement)

    def durability(self, target: str) -> str:
        """The settings of its connection."""
        with self._opened(target) as connection:
            return sqlite_durability(connection)

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Add so many rows."""
        with self._opened(target) as connection:
            begin()
            for number in range(jobs):
                _run(connection, "INSERT INTO bare (payload, step) VALUES (?, 0)", (str(number),))

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Take a row through its steps, and the next."""
        del name  # nothing is kept of it
        with self._opened(target) as connection:
            begin()
            step = "UPDATE bare SET step = ? WHERE id = ?"
            _work(connection, _LEASE.format(lock=""), step, drain=drain)


class BarePostgreSQL:
    """A table in PostgreSQL."""

    name: ClassVar[str] = "bare rows (PostgreSQL)"
    database: ClassVar[str] = "PostgreSQL"
    needs: ClassVar[tuple[str, ...]] = ("psycopg",)
    promises: ClassVar[Promises] = PROMISES
    done_sql: ClassVar[str] = "SELECT count(*) FROM bare WHERE step = 4"

    def _opened(self, target: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(target, autocommit=True)

    def create(self, target: str) -> None:
        """Make an empty table."""
        with self._opened(target) as connection:
            for statement in (_CREATE.format(id="bigint GENERATED ALWAYS AS IDENTITY"), _INDEX):
                connection.execute(statement)

    def durability(self, target: str) -> str:
        """The settings of its connection."""
        with self._opened(target) as connection:
            return postgresql_durability(connection)

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Add so many rows."""
        with self._opened(target) as connection:
            begin()
            for number in range(jobs):
                connection.execute("INSERT INTO bare (payload, step) VALUES (%s, 0)", (str(number),))

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Take a row through its steps, and the next."""
        del name  # nothing is kept of it
        with self._opened(target) as connection:
            begin()
            step = "UPDATE bare SET step = %s WHERE id = %s"
            _work(connection, _LEASE.format(lock="FOR UPDATE SKIP LOCKED"), step, drain=drain)
