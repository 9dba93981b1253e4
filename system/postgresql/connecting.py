"""How a connection is opened, and the settings that the queue's promises rest on."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8Dumper

from system.store import StoreError

BUSY_SECONDS = 5.0
STALL_SECONDS = 10
"""A transaction that its process has left alone for so long is ended by the server: a worker that was stopped
in the middle of one must not hold its job for ever."""

_WRITE = (
    "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with : / ? @ % in a password as %3A %2F %3F %40 %25"
)

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
    given = conninfo.conninfo_to_dict(dsn)
    target = {**_UNLESS_GIVEN, **{name: str(value) for name, value in given.items() if value is not None}}
    connection = psycopg.connect(**target, autocommit=True, client_encoding="utf8")  # type: ignore[arg-type]
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


def shown(dsn: str) -> str:
    """The database, in a form that may be printed: without a password. Raises StoreError.

    What libpq says of an address that it cannot read repeats a part of it, which may be of the password: in
    quotes, so what stands before the first of them is all that is told.
    """
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        said = str(error).strip().splitlines()[0].partition('"')[0].rstrip(" :")
        raise StoreError(f"not a PostgreSQL address: {said}; {_WRITE}") from None
    if (
        not re.fullmatch(r"[0-9,]*", str(given.get("port") or ""))
        or "@" in str(given.get("host") or "")[1:]
        or re.match(r"\w+://[^/?@]*/[^?]*@", dsn)
    ):  # what was read as a host, a port or a database may be of a password
        raise StoreError(f"not a PostgreSQL address: a / ? or @ where it cannot be; {_WRITE}")
    host = f"{given.get('host') or 'localhost'}" + (f":{given['port']}" if given.get("port") else "")
    user = f"{given['user']}@" if given.get("user") else ""
    return f"postgresql://{user}{host}/{given.get('dbname') or given.get('user') or ''}"
