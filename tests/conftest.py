"""What tests share: a PostgreSQL database for a test, and the environment of commands that they start.

With no server a test is skipped, and says why; in CI that is an error.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from failure_modes.conftest import not_at_hand, pytest_runtest_call, pytest_runtest_setup

__all__ = ["not_at_hand", "pytest_runtest_call", "pytest_runtest_setup"]

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server

os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
"""Tests compare folders before and after a command, and change a module twice in a second: then bytecode of
the first version would be taken for that of the second."""


@pytest.fixture(scope="session")
def postgresql_server() -> "Server":
    """The server of this test process."""
    try:
        from failure_modes.checker.support.postgresql.server import server
    except ImportError as error:
        not_at_hand(f"PostgreSQL: psycopg cannot be imported ({error})")
    return server()


@pytest.fixture
def postgresql_dsn(postgresql_server: "Server") -> Iterator[str]:
    """The address of a new database with nothing in it."""
    from failure_modes.checker.support.postgresql.server import fresh_database

    dsn = fresh_database(postgresql_server)
    yield dsn
    _run(postgresql_server.dsn, f'DROP DATABASE "{_name(dsn)}" WITH (FORCE)')


@pytest.fixture(scope="session")
def _postgresql_with_schema(postgresql_server: "Server") -> str:
    from failure_modes.checker.support.postgresql.server import fresh_database
    from system.postgresql import PostgreSQLStore

    dsn = fresh_database(postgresql_server)
    with closing(PostgreSQLStore(dsn, create=True)):
        return dsn


@pytest.fixture
def postgresql_queue_dsn(_postgresql_with_schema: str) -> str:
    """The address of a database with a queue in it that has no row and never had one, for all it shows."""
    from system.postgresql.schema import TABLES

    _run(
        _postgresql_with_schema,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY",
    )
    return _postgresql_with_schema


def _run(dsn: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _name(dsn: str) -> str:
    from psycopg import conninfo

    return str(conninfo.conninfo_to_dict(dsn)["dbname"])
