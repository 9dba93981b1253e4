"""How a connection is opened, and the settings that the queue's promises rest on."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.numeric import Int8Dumper

from system.postgresql.address import read

BUSY_SECONDS = 5.0
STALL_SECONDS = 10
"""A transaction that its process has left alone for so long is ended by the server: a worker that was stopped
in the middle of one must not hold its job for ever."""

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


def settings(busy_seconds: float) -> str:
    """What is set on each connection: so a commit is on disk before it is answered."""
    return (
        f"SET lock_timeout = {max(1, round(busy_seconds * 1000))};"
        f"SET idle_in_transaction_session_timeout = {STALL_SECONDS * 1000};"
        "SET default_transaction_isolation = 'read committed';"
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
