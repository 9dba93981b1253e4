"""A SQLite database for one world: a file, or a database in memory that all processes of the world share."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from failure_modes.checker.simulation.constraints import Constraints, constraints_of
from failure_modes.checker.simulation.content import (
    Content,
    columns_of,
    everything,
    read_content,
    refill,
    write_content,
)
from failure_modes.checker.simulation.sqlite_stepping import SQLiteStepping, open_sqlite
from failure_modes.checker.simulation.stepping import ConnectingProcess, SteppingConnection
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.support import temporary

_OBSERVER = "observer"
_GATEWAY = "-gateway"
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class SQLiteDatabase:
    """A database, the connection of its observer, and the connections of the processes."""

    overlaps = False

    def __init__(
        self,
        subject: Subject,
        *,
        path: Path | None = None,
        in_memory: bool = False,
        keeps_connections: bool = False,
        reusable: bool = False,
    ) -> None:
        """`path` is a database that was made elsewhere, and that `close` does not remove.

        `keeps_connections`: the next process of the same name reuses the connection. `reusable`: the
        database may start over.
        """
        self.subject = subject
        self.keeps_connections = keeps_connections
        self.reusable = reusable
        self.path = path or (_template(subject) if in_memory else fresh_database(subject))
        self.location = str(self.path)
        self._in_memory = in_memory
        self._owns_path = path is None and not in_memory
        self._pool: dict[str, tuple[sqlite3.Connection, set[str]]] = {}
        self._observing: sqlite3.Connection
        self._clock: VirtualClock
        self._initial: Content
        self._initial_schema: int
        self._columns: dict[str, tuple[str, ...]] | None = None
        self.observer: Any = None

    @property
    def gateway_target(self) -> str:
        """A file beside the database, or `:memory:` for a database in memory."""
        return ":memory:" if self._in_memory else f"{self.path}{_GATEWAY}"

    def observe(self, clock: VirtualClock) -> None:
        """Open the database for the world itself, and set `observer`."""
        self.observer = self.subject.observe(
            self.location,
            clock=clock,
            connect=lambda target: self._open(_OBSERVER, target)[0],
            create=self._in_memory,
        )
        self._clock = clock
        self._observing, _ = self._pool[_OBSERVER]
        if self.reusable:
            self._initial = self.everything()
            self._initial_schema = self._schema()

    def connection(self, process: ConnectingProcess, target: str, *, again: bool) -> SteppingConnection:
        """A connection that pauses the process."""
        del again
        connection, set_up = self._open(process.name, target)
        return SQLiteStepping(connection, process, set_up)

    def is_lost(self, connection: SteppingConnection) -> bool:
        """Always false: the open transaction of a dead process was rolled back."""
        del connection
        return False

    def read(self) -> Content:
        """The rows of the state."""
        return read_content(self._observing, self.subject.layout)

    def write(self, wanted: Content, present: Callable[[], Content], *, empty_audit: bool) -> None:
        """Change the present rows to the wanted ones."""
        if self._columns is None:
            self._columns = self.columns()
        write_content(
            self._observing, self.subject.layout, wanted, present(), self._columns, empty_audit=empty_audit
        )

    def audit_end(self, content: Content) -> int:
        """Always 0: `write` emptied the audit, and its ids begin again."""
        del content
        return 0

    def last_audit_id(self) -> int:
        """The id of the last audit row; 0 if there is none."""
        audit = self.subject.layout.audit
        if audit is None:
            return 0
        found = self._observing.execute(f"SELECT coalesce(max(id), 0) FROM {audit}").fetchall()
        return int(found[0][0])

    def start_over(self) -> bool:
        """Restore every table, the audit too. The processes must be dead.

        If a process has changed the schema, another database takes the place of this one. Returns False then:
        no connection is left.
        """
        if self._schema() == self._initial_schema:
            refill(self._observing, self._initial)
            return True
        self._close_connections()
        if self._owns_path:
            for suffix in _SUFFIXES:
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            shutil.copyfile(_template(self.subject), self.path)
        self.observe(self._clock)
        return False

    def _schema(self) -> int:
        """The version of the schema: SQLite counts its changes."""
        return int(self._observing.execute("PRAGMA schema_version").fetchone()[0])

    def everything(self) -> Content:
        """Every row of every table."""
        return everything(self._observing)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        return columns_of(self._observing, self.subject.layout)

    def constraints(self) -> Constraints | None:
        """The constraints of each table of the state; None if a trigger could change any row."""
        return constraints_of(self._observing, self.subject.layout)

    def close(self) -> None:
        """Close each connection and remove the file, even if closing one of them fails."""
        with ExitStack() as ends:  # the last one runs first
            if self._owns_path:
                for suffix in (*_SUFFIXES, _GATEWAY):
                    ends.callback(Path(f"{self.path}{suffix}").unlink, missing_ok=True)
            for connection, _ in self._pool.values():
                ends.callback(connection.close)
            ends.callback(self.observer.close)

    def _open(self, name: str, target: str) -> tuple[sqlite3.Connection, set[str]]:
        """A connection for a process, and the set-up statements that ran on it before."""
        if not self.keeps_connections and name != _OBSERVER:
            return open_sqlite(self._target(target)), set()
        name = _OBSERVER if self._in_memory else name
        if name not in self._pool:
            self._pool[name] = open_sqlite(self._target(target)), set()
        return self._pool[name]

    def _target(self, target: str) -> str:
        """The target that `sqlite3` opens."""
        return ":memory:" if self._in_memory else target

    def _close_connections(self) -> None:
        """Close each connection, also that of the observer: another file is about to replace this one."""
        self.observer.close()
        for connection, _ in self._pool.values():
            connection.close()
        self._pool.clear()


_numbers = itertools.count(1)


@cache
def _template_of(database: str) -> Path:
    return temporary.own() / f"template-{database}.db"


def _template(subject: Subject) -> Path:
    """An empty database for the subject. It is made once in this process, by a rename, and never changed."""
    path = _template_of(subject.database)
    if not path.exists():
        made = new_path()
        subject.create(str(made))
        made.rename(path)
    return path


def new_path() -> Path:
    """A new path, at which there is no file."""
    return temporary.own() / f"run-{next(_numbers)}.db"


def fresh_database(subject: Subject) -> Path:
    """The path of a new empty database that no other world uses."""
    path = new_path()
    with temporary.room():
        shutil.copyfile(_template(subject), path)
    return path
