"""A database of a durable server, whose connections are cut and which is let crash while it is used."""

import psycopg

from failure_modes.checker.place import Place
from failure_modes.checker.postgresql.server import fresh_database, server
from failure_modes.checker.worlds import needs_server
from system.postgresql import shown
from system.postgresql.connecting import STALL_SECONDS
from system.postgresql.errors import Explained

_OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' ORDER BY pid"
)


def on_server() -> Place:
    """A new database. A server that is not our own is not restarted. Raises NoServer."""
    durable = server(durable=True)
    dsn = fresh_database(durable)

    def restart() -> None:
        with needs_server():
            durable.restart()

    return Place(
        db=dsn,
        about=durable.describe(),
        cut=lambda which: _cut(dsn, which),
        restart=restart if durable.own else None,
        alone_seconds=STALL_SECONDS,
        log=durable.folder / "log" if durable.own else None,
    )


def _cut(dsn: str, which: float) -> bool:
    with Explained(shown(dsn), 0), psycopg.connect(dsn, autocommit=True) as connection:
        others = connection.execute(_OTHERS).fetchall()
        if not others:
            return False
        one = others[min(int(which * len(others)), len(others) - 1)]
        return connection.execute("SELECT pg_terminate_backend(%s)", one).fetchall() == [(True,)]
