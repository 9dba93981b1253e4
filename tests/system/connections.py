"""Connections to PostgreSQL that are watched, cut and made to hang up, statement by statement."""

from collections.abc import Callable
from typing import Any, cast

from system.postgresql import Connect, connecting
from system.postgresql.connecting import Connection

Run = Callable[[], Any]


class Watched:
    """A connection whose statements are run by `around`, which is given the SQL and how to run it."""

    def __init__(self, connection: Connection, around: Callable[["Watched", str, Run], Any]) -> None:
        self.connection = connection
        self._around = around
        self.values: tuple[Any, ...] = ()
        """Of the statement that is being run."""

    def execute(self, sql: str, values: Any = None) -> Any:
        """Run a statement."""
        self.values = tuple(values or ())
        return self._around(self, sql, lambda: self.connection.execute(sql, values))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def watching(around: Callable[[Watched, str, Run], Any], connect: Connect = connecting) -> Connect:
    """Connections that are watched."""
    return lambda dsn: cast(Connection, Watched(connect(dsn), around))


def terminate(watched: Watched, behind: Connection) -> None:
    """End the session of a connection from another one, and be sure that it has ended."""
    pid = watched.connection.info.backend_pid
    behind.execute("SELECT pg_terminate_backend(%s)", (pid,))
    while behind.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchall():
        pass


class Moments:
    """Strikes at one moment: before the statement of that number, counted from `begin` on."""

    def __init__(self, number: int, strike: Callable[[Watched], object]) -> None:
        self._number = number
        self._strike = strike
        self._counting = False
        self.seen = 0
        self.struck: str | None = None
        """Before which statement."""

    def begin(self) -> None:
        """Count from now on."""
        self._counting = True

    def around(self, watched: Watched, sql: str, run: Run) -> Any:
        """Run a statement, and strike before it if it is time."""
        self.seen += self._counting
        if self._counting and self.seen == self._number:
            self.struck = sql
            self._strike(watched)
        return run()


class Unheard:
    """The COMMIT of that number is done, and its answer is lost."""

    def __init__(self, number: int, strike: Callable[[Watched], object]) -> None:
        self._number = number
        self._strike = strike
        self.seen = 0

    def begin(self) -> None:
        """Count from now on."""
        self.seen = 0

    def around(self, watched: Watched, sql: str, run: Run) -> Any:
        """Run a statement; if it is that COMMIT, give the error in which a lost connection ends."""
        answer = run()
        self.seen += sql == "COMMIT"
        if sql == "COMMIT" and self.seen == self._number:
            self._strike(watched)
            return watched.connection.execute("SELECT 'lost'")
        return answer
