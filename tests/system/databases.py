"""The databases that a store can be in: how a test opens one, and looks at what it holds behind its back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from attrs import frozen

from system.clock import Clock
from system.postgresql import PostgreSQLStore, shown
from system.sqlite import SQLiteStore
from system.store import Store
from tests.system import files


class Database(Protocol):
    """A database for one queue."""

    @property
    def shown(self) -> str:
        """How an error names it."""
        ...

    @property
    def named(self) -> str:
        """How a command in its folder names it."""
        ...

    @property
    def opening(self) -> str:
        """How a program in its folder opens it."""
        ...

    @property
    def null_bytes(self) -> bool:
        """Whether it keeps text with a null byte."""
        ...

    @property
    def busy(self) -> str:
        """What is told when what a writer needs was held by another."""
        ...

    def open(self, *, clock: Clock, create: bool = False, busy_seconds: float = 5.0) -> Store:
        """A store in it."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What it holds, read with nothing of ours."""
        ...

    def kept(self, column: str, table: str, where: str = "TRUE") -> list[bytes]:
        """The bytes of a text, of each row that has one, by id."""
        ...

    def schema(self) -> list[tuple[Any, ...]]:
        """Its tables and indexes."""
        ...

    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        ...


@frozen
class SQLite:
    """A file."""

    path: Path
    null_bytes = True
    busy = "locked by another process for more than 0 s"

    @property
    def shown(self) -> str:
        """How an error names it."""
        return str(self.path)

    @property
    def named(self) -> str:
        """How a command in its folder names it."""
        return self.path.name

    @property
    def opening(self) -> str:
        """How a program in its folder opens it."""
        return f"SQLiteStore({self.path.name!r}, clock=SystemClock(), create=True)"

    def open(self, *, clock: Clock, create: bool = False, busy_seconds: float = 5.0) -> Store:
        """A store in it."""
        return SQLiteStore(self.path, clock=clock, create=create, busy_seconds=busy_seconds)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What it holds, read with nothing of ours."""
        return files.rows(self.path, sql)

    def kept(self, column: str, table: str, where: str = "TRUE") -> list[bytes]:
        """The bytes of a text, of each row that has one, by id."""
        where = f"{column} IS NOT NULL AND {where}"
        found = self.rows(
            f"SELECT CAST({column} AS BLOB), typeof({column}) FROM {table} WHERE {where} ORDER BY id"
        )
        assert {kind for _, kind in found} <= {"text"}
        return [value for value, _ in found]

    def schema(self) -> list[tuple[Any, ...]]:
        """Its tables and indexes."""
        return self.rows("SELECT * FROM sqlite_schema ORDER BY name")

    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return files.sound(self.path)


@frozen
class PostgreSQL:
    """A database of a server."""

    dsn: str
    null_bytes = False
    busy = "a lock was held by another transaction for more than 0 s"

    @property
    def shown(self) -> str:
        """How an error names it."""
        return shown(self.dsn)

    @property
    def named(self) -> str:
        """How a command names it."""
        return self.shown

    @property
    def opening(self) -> str:
        """How a program opens it."""
        return f"PostgreSQLStore({self.dsn!r})"

    def open(self, *, clock: Clock, create: bool = False, busy_seconds: float = 5.0) -> Store:
        """A store in it."""
        return PostgreSQLStore(self.dsn, clock=clock, create=create, busy_seconds=busy_seconds)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What it holds, read with nothing of ours."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def kept(self, column: str, table: str, where: str = "TRUE") -> list[bytes]:
        """The bytes of a text, of each row that has one, by id."""
        where = f"{column} IS NOT NULL AND {where}"
        found = self.rows(f"SELECT convert_to({column}, 'UTF8') FROM {table} WHERE {where} ORDER BY id")
        return [bytes(value) for (value,) in found]

    def schema(self) -> list[tuple[Any, ...]]:
        """Its tables and indexes."""
        return self.rows(
            "SELECT relname, relkind, relnatts FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace ORDER BY relname"
        )

    def sound(self) -> bool:
        """Whether nothing is wrong with it: each row that another refers to is there."""
        return not any(
            self.rows(
                f"SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM {to})"
            )
            for table, column, to in (
                ("executions", "job_id", "jobs"),
                ("effects", "job_id", "jobs"),
                ("effects", "execution_id", "executions"),
                ("audit", "job_id", "jobs"),
                ("audit", "execution_id", "executions"),
            )
        )


def effects(database: Database) -> list[tuple[int, str]]:
    """Job and value of each effect, by job, as the database has them."""
    return database.rows("SELECT job_id, value FROM effects ORDER BY job_id, id")


@contextmanager
def holding(store: Store, job_id: int) -> Iterator[None]:
    """Hold a job against other writers, until the end of the block."""
    with store.transaction() as tx:
        tx.job(job_id)
        yield


def waits_for_a_lock(dsn: str) -> None:
    """Come back when a session of this database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN" + (
        " (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(30_000):
            if connection.execute(waiting).fetchall() != [(0,)]:
                return
            connection.execute("SELECT pg_sleep(0.001)")
    raise AssertionError("nobody waits")
