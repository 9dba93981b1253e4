"""The database of any queue at a PostgreSQL server, as the checker looks at it; and its simulated time.

A statement that waits for a lock stays at the server, and goes on by itself when it gets the lock. `settle`
waits until each session is idle, waits for a lock, or is gone with its dead process. So the result of a move
does not depend on the speed of the server.

`now()` of the database is a function of its own: it gives the time of the run at the start of the
transaction, one microsecond later for each transaction, since a real server never shows the same time twice.

`server_time.py` does the same for our own queue, in another way, and the two stay apart. There the checker
tells the time through a table, so a statement that waited for a lock reads the time at which it got it, and
each read is reported, since the model has to know it. Here a process tells its own session, in a setting.
That needs nothing of the checker while a statement runs, so it works for real processes as well. The price:
within a statement time does not move.
"""

import atexit
import os
from functools import cache
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from failure_modes.checker.simulation.postgresql.backends import PATIENCE_SECONDS, Unsettled
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.support.patience import Patience

CHECKER = "queue checker"
"""The application name of the connections of the checker."""

APPLICATION = "queue process"
"""The application name of a session begins so; then comes the name of its process."""

_TIMES = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_SET_UP = """
CREATE SCHEMA checker;
CREATE SEQUENCE checker.transactions;
CREATE FUNCTION checker.told(name text, otherwise timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT coalesce(nullif(current_setting(name, true), '')::timestamptz, otherwise) $$
"""
_TIME = """
ALTER FUNCTION pg_catalog.{0}() RENAME TO {0}_of_server;
CREATE FUNCTION pg_catalog.{0}() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT checker.told('checker.{1}', pg_catalog.{0}_of_server()) $$
"""
_SESSIONS = """
SELECT pid, application_name, state = 'active' AND wait_event_type IS DISTINCT FROM 'Client',
    CASE WHEN state = 'active' THEN pg_blocking_pids(pid) ELSE '{}' END
FROM pg_stat_activity
WHERE datname = current_database() AND application_name <> %s AND backend_type = 'client backend'
"""
_TRANSACTION = """
SELECT set_config('checker.transaction', moment, false), set_config('checker.statement', moment, false)
FROM (
    SELECT (to_timestamp({:.3f}) + nextval('checker.transactions') * interval '1 microsecond')::text
) AS told(moment)
"""
_STATEMENT = "SELECT set_config('checker.statement', to_timestamp({:.3f})::text, false)"


class QueueServer:
    """The database of a run, with a connection of the checker."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._control = psycopg.Connection.connect(dsn, autocommit=True, application_name=CHECKER)
        atexit.register(self.close)
        self._left: set[int] = set()
        """The sessions of dead processes that may still be at the server."""

    def execute(self, sql: str) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run a statement of the checker."""
        return self._control.execute(sql.encode())

    def close(self) -> None:
        """Close the connection of the checker."""
        self._control.close()

    def blockers(self, pid: int) -> tuple[int, ...]:
        """The sessions that have the lock for which this session waits."""
        return self._sessions().get(pid, (False, "", ()))[2]

    def is_deadlocked(self, pid: int) -> bool:
        """True if the session waits, directly or through others, for itself."""
        sessions = self._sessions()
        seen: set[int] = set()
        to_visit = list(sessions[pid][2]) if pid in sessions else []
        while to_visit:
            one = to_visit.pop()
            if one == pid:
                return True
            if one not in seen:
                seen.add(one)
                to_visit += sessions[one][2] if one in sessions else ()
        return False

    def cancel(self, pid: int) -> None:
        """Cancel the statement of a deadlock's victim."""
        self._control.execute("SELECT pg_cancel_backend(%s)", (pid,))

    def settle(self, *, waiting: bool, died: str | None) -> None:
        """Wait until no statement runs and no dead process is left; those that wait for a lock may wait.

        `waiting`: a statement waits for a lock; `died`: the process that has just died.
        """
        if not waiting and died is None and not self._left:
            return
        if died is not None:
            self._left |= {
                pid for pid, (_, name, _) in self._sessions().items() if name == f"{APPLICATION} {died}"
            }
        patience = Patience(PATIENCE_SECONDS)
        while not patience.is_over:
            sessions = self._sessions()
            self._left &= sessions.keys()
            if not any(
                (runs or pid in self._left) and not blockers for pid, (runs, _, blockers) in sessions.items()
            ):
                return
        raise Unsettled(f"a statement neither ended nor waited for a lock in {PATIENCE_SECONDS:g} s")

    def end_sessions(self) -> None:
        """End every other session of the database."""
        self._left.clear()
        patience = Patience(PATIENCE_SECONDS)
        while pids := list(self._sessions()):
            self._control.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", (pids,))
            if patience.is_over:
                raise Unsettled(f"a session did not end in {PATIENCE_SECONDS:g} s")

    def set_up_time(self) -> None:
        """Let the functions of time give the time of the run. Raises NotInstalled."""
        try:
            self.execute(_SET_UP)
            for name in _TIMES:
                kind = "statement" if name in ("statement_timestamp", "clock_timestamp") else "transaction"
                self.execute(_TIME.format(name, kind))
            self.execute(f"ALTER DATABASE \"{self._control.info.dbname}\" SET deadlock_timeout = '1h'")
        except psycopg.errors.InsufficientPrivilege as error:
            raise NotInstalled(
                "to simulate the time of a server, the checker needs a role that is a superuser: "
                f"{str(error).splitlines()[0]}"
            ) from None

    def _sessions(self) -> dict[int, tuple[bool, str, tuple[int, ...]]]:
        """For each session: if it runs a statement, its application name, and its blockers."""
        rows = self._control.execute(_SESSIONS, (CHECKER,)).fetchall()
        return {pid: (bool(runs), name, tuple(blockers)) for pid, name, runs, blockers in rows}


def transaction_time(seconds: float) -> bytes:
    """The statement that tells a session the time at which its next transaction begins."""
    return _TRANSACTION.format(seconds).encode()


def statement_time(seconds: float) -> bytes:
    """The statement that tells a session the time within its transaction."""
    return _STATEMENT.format(seconds).encode()


def server_of(dsn: str) -> QueueServer:
    """The database, with the one connection that this process of the checker has for it."""
    return _server_of(dsn, os.getpid())


def server_of_connection(connection: psycopg.ConnectionInfo) -> QueueServer:
    """The database of a connection of the queue."""
    parts = {name: getattr(connection, name) for name in ("host", "port", "dbname", "user", "password")}
    return server_of(make_conninfo(**{name: value for name, value in parts.items() if value}))


@cache
def _server_of(dsn: str, process: int) -> QueueServer:
    del process  # a child process cannot use the connection of its parent
    return QueueServer(dsn)
