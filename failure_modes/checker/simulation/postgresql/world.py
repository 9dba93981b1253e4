"""The world on PostgreSQL: the same virtual processes, each with a session at a real server.

At granularity `transaction` no two transactions overlap, and all processes may share one session; such a
world can be put back to where it once was. At granularity `statement` each has its own, and may wait for a
lock.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.host import VirtualClock
from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.postgresql.content import (
    columns_of,
    everything,
    read_content,
    write_content,
)
from failure_modes.checker.simulation.postgresql.database import give_back, take
from failure_modes.checker.simulation.postgresql.stepping import PostgreSQLStepping
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.stepping import Connecting, SteppingConnection
from failure_modes.checker.simulation.subject import Program, Subject
from failure_modes.checker.simulation.world import World

_SHARED = "shared"


class PostgreSQLDatabase:
    """A database at the server, and the sessions of the processes."""

    gateway_target = ":memory:"

    def __init__(self, subject: Subject, *, shares: bool) -> None:
        """`shares`: no two transactions overlap, and one session is enough. Raises NoServer."""
        self.subject = subject
        self.server = take(subject)
        self.location = self.server.dsn
        self.backends = Backends(self.server.control, subject.layout.skips_locked)
        self.observer: Any = None
        self._shares = shares

    @property
    def overlaps(self) -> bool:
        """True if each process has a session of its own."""
        return not self._shares

    def observe(self, clock: VirtualClock) -> None:
        """Open it for the world itself."""
        self.observer = self.subject.observe(
            self.location, clock=clock, connect=lambda _: self.server.control, create=False
        )

    def connection(self, process: Connecting, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        del target
        connection, set_up = self.server.connection(_SHARED if self._shares else process.name)
        return PostgreSQLStepping(connection, process, self.backends, set_up, alone=self._shares)

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if a process died with its statement under way in it."""
        return isinstance(connection, PostgreSQLStepping) and bool(connection.ghost)

    def read(self) -> Content:
        """The rows of the state."""
        return read_content(self.server.control, self.subject.layout)

    def write(self, wanted: Content, present: Callable[[], Content], *, audited: bool) -> None:
        """Make the rows what is wanted, by those that differ from what is present."""
        write_content(self.server.control, self.subject.layout, wanted, present(), audited=audited)

    def audit_end(self, content: Content) -> int:
        """The audit was emptied: whatever id comes next is new."""
        del content
        return 0

    def everything(self) -> Content:
        """Every row of every table there is."""
        return everything(self.server.control, self.subject.layout)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        return columns_of(self.server.control, self.subject.layout)

    def empty(self) -> None:
        """Be as it was at first: no session goes on."""
        self.backends.forget()
        self.server.empty()

    def close(self) -> None:
        """End what is left under way. The database is there for the next run."""
        try:
            self.backends.forget()
        finally:
            give_back(self.server)


class PostgreSQLWorld(World):
    """One run: a database, a clock, and the processes."""

    database: PostgreSQLDatabase

    def __init__(self, subject: Subject, **options: Any) -> None:
        """Raises NoServer."""
        self._ghosts: dict[int, Standing] = {}
        """Of each dead process that lingers at the server: where it stood."""
        super().__init__(subject, **options)

    def open_database(self, path: Path | None) -> PostgreSQLDatabase:
        """One that is empty, at the server."""
        del path
        return PostgreSQLDatabase(self.subject, shares=self.granularity is Granularity.TRANSACTION)

    def process(self, name: str, program: Program) -> Process:
        """A process of that name, not yet started."""
        return PostgreSQLProcess(self, name, program)

    def release_locks(self, times: int = 1) -> None:
        """Whoever waits for a lock may get it: the server is let come to rest."""
        super().release_locks(times)
        self.settle_sessions()

    def settle_sessions(self) -> None:
        """Wait until the server is at rest."""
        self.database.backends.settle()

    def start_over(self) -> None:
        """Be a fresh world."""
        for process in self.processes.values():
            process.kill()
        self.database.empty()
        if self.gateway is not None:
            self.gateway.put_back(())
        self._ghosts.clear()
        self.clock.restore(0)
        self.releases = 0
        self.note_change()

    def dies(self, session: PostgreSQLStepping, standing: Standing) -> None:
        """A process dies with its statement at the server."""
        self._ghosts[session.pid] = standing

    def beyond(self) -> tuple[object, ...]:
        """The ghosts: what they hold is held, and what they wait for they will get."""
        lingers = self.database.backends.lingers
        return tuple([standing for pid, standing in self._ghosts.items() if lingers(pid)])


class PostgreSQLProcess(Process):
    """One virtual process, whose statement may lie at the server."""

    @property
    def waits(self) -> bool:
        """Whether its statement waits for a lock, and others can change that."""
        return isinstance(self.connection, PostgreSQLStepping) and self.connection.waits

    @property
    def under_way(self) -> int:
        """Its place among those whose statement lies at the server; 0 if its does not."""
        return self.connection.under_way if isinstance(self.connection, PostgreSQLStepping) else 0

    def kill(self) -> None:
        """Die here. What was rolled back may have used up ids."""
        if isinstance(self.connection, PostgreSQLStepping) and self.under_way:
            assert isinstance(self.world, PostgreSQLWorld), "it is of that world"
            self.world.dies(self.connection, self.stands())
        if self.in_transaction:
            assert isinstance(self.world, PostgreSQLWorld), "it is of that world"
            self.world.note_change()
        super().kill()
