"""Opens connections, with the settings that the queue's promises need."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper

from system.postgresql.address import read

BUSY_SECONDS = 5.0
STALL_SECONDS = 10
"""The server ends a transaction that was idle for so long: a worker that was stopped in the middle of a
transaction must not hold its job for ever."""

GONE_SECONDS = 10
"""While the server runs a statement, it checks so often that its client is still connected."""

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[str], Connection]

_UNLESS_GIVEN = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "queue",
}
"""Limits on the wait for a server that does not answer any more."""


def connecting(dsn: str) -> Connection:
    """Open a connection in autocommit mode, so that only this code begins and commits."""
    target: dict[str, Any] = {**_UNLESS_GIVEN, **read(dsn), "client_encoding": "utf8"}
    try:
        connection = psycopg.connect(**target, autocommit=True)
    except UnicodeError:  # Python raises it for an impossible host name
        raise psycopg.OperationalError("failed to resolve host") from None
    # Else a number of more than 64 bits is sent as a numeric, which is no error and finds no index.
    connection.adapters.register_dumper(int, Int8Dumper)
    return connection


def set_up(connection: Connection, busy_seconds: float, schema: str | None = None) -> str | None:
    """Set the settings that the queue's promises need, for the session. Returns the schema of the queue.

    Pass that schema for the next connection. It is None if no schema of the search path exists. Until the
    search path is set, every name and type here must be exact: another role may have its own on the path.
    """
    asked = "SELECT pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_schema()::text"
    [(synchronous, first)] = connection.execute(asked).fetchall()
    schema = schema or first
    connection.execute(
        f"SET lock_timeout = {max(1, round(busy_seconds * 1000))};"
        f"SET idle_in_transaction_session_timeout = {STALL_SECONDS * 1000};"
        "SET default_transaction_isolation = 'read committed';"
        # Set even where it is right, so that a change of the server's configuration does not reach it.
        f"SET synchronous_commit = '{'on' if synchronous == 'off' else synchronous}'"
        + (f";SET search_path = {_quoted(schema)}, pg_temp" if schema else "")
    )
    # Not every server knows it, and not every system can do it.
    with suppress(psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError):
        connection.execute(f"SET client_connection_check_interval = {GONE_SECONDS * 1000}")
    return schema


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
