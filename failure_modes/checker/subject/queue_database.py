"""The PostgreSQL database of a judged queue: made once for each process of the checker, emptied for each run.

An adapter calls `empty_database` in its `reset`, `database_of` in its `open`, and `rows_of` in its `observe`.
The server is the one of the project (`support/postgresql/`): a named one, or one that is started.

A database is emptied to the rows that it had when it was made. Tables that a queue makes later stay, empty.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define

from failure_modes.checker.simulation.postgresql.queue_server import QueueServer, server_of
from failure_modes.checker.simulation.seams.psycopg import DSN
from failure_modes.checker.support.postgresql.server import fresh_database, server

_KEEP = """
DO $$
DECLARE
    one record;
    filled boolean;
BEGIN
    FOR one IN SELECT oid::regclass AS name FROM pg_class
        WHERE relkind = 'r' AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE checker.%I AS TABLE %s', 'rows of ' || one.name, one.name);
        END IF;
    END LOOP;
END
$$
"""
_EMPTY = """
DO $$
DECLARE
    one record;
    kept regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT oid::regclass AS name FROM pg_class
        WHERE relkind = 'r'
            AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'checker')
    LOOP
        EXECUTE format('DELETE FROM %s', one.name);
        kept := to_regclass(format('checker.%I', 'rows of ' || one.name));
        IF kept IS NOT NULL THEN
            EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE TABLE %s', one.name, kept);
        END IF;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
END
$$
"""


@define
class _QueueDatabase:
    """A database, and the folder of the run that uses it or has used it."""

    server: QueueServer
    folder: Path

    def is_free(self) -> bool:
        """True if the run that used it is over."""
        return not self.folder.exists()

    def use_for(self, place: Path) -> None:
        """Empty it, for the run in this folder."""
        self.folder = place
        self.server.end_sessions()
        self.server.execute(_EMPTY)


_databases: dict[tuple[int, str], list[_QueueDatabase]] = {}


def empty_database(place: Path, create: Callable[[str], object]) -> str:
    """The DSN of an empty database for the run in this folder. `create` makes the tables, once."""
    known = _databases.setdefault((os.getpid(), f"{create.__module__}.{create.__qualname__}"), [])
    for database in known:
        if database.is_free():
            database.use_for(place)
            break
    else:
        dsn = fresh_database(server())
        database = _QueueDatabase(server_of(dsn), place)
        database.server.set_up_time()
        create(dsn)
        database.server.execute(_KEEP)
        known.append(database)
    (place / DSN).write_text(database.server.dsn, "utf-8")
    return database.server.dsn


def database_of(place: Path) -> str:
    """The DSN of the database of the run in this folder."""
    return (place / DSN).read_text("utf-8")


def rows_of(place: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a SELECT, read by the connection of the checker itself."""
    return server_of(database_of(place)).execute(sql).fetchall()
