"""A database on a durable server, which can cut its connections and crash while processes use it."""

from collections.abc import Iterator
from contextlib import contextmanager

from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.subject.worlds import needs_server
from failure_modes.checker.support.postgresql.server import fresh_database, server
from system.postgresql import connecting, shown
from system.postgresql.connecting import STALL_SECONDS, Connection
from system.postgresql.errors import Explained

_OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_IDLE = (
    f"{_OTHERS} AND state LIKE 'idle in transaction%'"
    " AND state_change < clock_timestamp() - interval '100 ms'"
)
"""Connections that have been idle in a transaction for 100 ms."""


def on_server() -> DatabaseLocation:
    """A new database. A server that we did not start is never restarted. Raises NoServer."""
    durable = server(durable=True)
    dsn = fresh_database(durable)

    def restart() -> None:
        with needs_server():
            durable.restart()

    return DatabaseLocation(
        db=dsn,
        about=durable.describe(),
        cut=lambda which: _cut(dsn, which),
        restart=restart if durable.own else None,
        idle=lambda: _idle(dsn),
        idle_seconds=STALL_SECONDS,
        log=durable.folder / "log" if durable.own else None,
    )


def _cut(dsn: str, which: float) -> bool:
    with _second_connection(dsn) as connection:
        others = connection.execute(f"{_OTHERS} ORDER BY pid").fetchall()
        if not others:
            return False
        chosen = others[min(int(which * len(others)), len(others) - 1)]
        return connection.execute("SELECT pg_terminate_backend(%s::int)", chosen).fetchall() == [(True,)]


def _idle(dsn: str) -> bool:
    with _second_connection(dsn) as connection:
        return bool(connection.execute(_IDLE).fetchall())


@contextmanager
def _second_connection(dsn: str) -> Iterator[Connection]:
    """Another connection to the same database. Raises StoreError."""
    with Explained(shown(dsn), 0), connecting(dsn) as connection:
        yield connection
