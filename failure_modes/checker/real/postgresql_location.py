"""A database of a durable server, whose connections are cut and which is let crash while it is used."""

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
_ALONE = (
    f"{_OTHERS} AND state LIKE 'idle in transaction%'"
    " AND state_change < clock_timestamp() - interval '100 ms'"
)
"""Whose process does nothing, and has not just been answered."""


def on_server() -> DatabaseLocation:
    """A new database. A server that is not our own is not restarted. Raises NoServer."""
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
        alone=lambda: _alone(dsn),
        alone_seconds=STALL_SECONDS,
        log=durable.folder / "log" if durable.own else None,
    )


def _cut(dsn: str, which: float) -> bool:
    with _beside(dsn) as connection:
        others = connection.execute(f"{_OTHERS} ORDER BY pid").fetchall()
        if not others:
            return False
        one = others[min(int(which * len(others)), len(others) - 1)]
        return connection.execute("SELECT pg_terminate_backend(%s::int)", one).fetchall() == [(True,)]


def _alone(dsn: str) -> bool:
    with _beside(dsn) as connection:
        return bool(connection.execute(_ALONE).fetchall())


@contextmanager
def _beside(dsn: str) -> Iterator[Connection]:
    """A connection to the same database. Raises StoreError."""
    with Explained(shown(dsn), 0), connecting(dsn) as connection:
        yield connection
