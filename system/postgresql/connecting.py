"""How a connection is opened, and the settings that the queue's promises rest on."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper

from system.postgresql.address import read

BUSY_SECONDS = 5.0
STALL_SECONDS = 10
"""A transaction that its process has left alone for so long is ended by the server: a worker that was stopped
in the middle of one must not hold its job for ever."""

GONE_SECONDS = 10
"""How often the server checks, while it runs a statement, that its client is still there."""

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
"""A server that is gone without a word must not be waited for without end."""


def connecting(dsn: str) -> Connection:
    """Open a connection in autocommit mode, so that BEGIN and COMMIT are ours alone."""
    target: dict[str, Any] = {**_UNLESS_GIVEN, **read(dsn), "client_encoding": "utf8"}
    try:
        connection = psycopg.connect(**target, autocommit=True)
    except UnicodeError:  # how Python says that this cannot be the name of a host
        raise psycopg.OperationalError("failed to resolve host") from None
    # Else a number of more than 64 bits is sent as a numeric, which is no error and finds no index.
    connection.adapters.register_dumper(int, Int8Dumper)
    return connection


def set_up(connection: Connection, busy_seconds: float, schema: str | None = None) -> str | None:
    """Set what the queue's promises rest on, and pin it for the session. Returns the schema of the queue.

    Give that schema again for the next connection. It is None if no schema of the search path exists. Until
    the path is pinned, every name and type here must be exact: another role may have put its own on the path.
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
