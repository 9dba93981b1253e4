"""The world on PostgreSQL: the same virtual processes, each with a session at a real server.

At granularity `transaction` no two transactions overlap, and all processes share one session; such a world
is restored by its content. At granularity `statement` each process has a session of its own and may wait for
a lock; such a world is restored by replaying its actions.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.postgresql.content import (
    columns_of,
    everything,
    read_content,
    write_content,
)
from failure_modes.checker.simulation.postgresql.database import acquire, release
from failure_modes.checker.simulation.postgresql.stepping import PostgreSQLStepping
from failure_modes.checker.simulation.postgresql.within_statements import Gate
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.replayed_world import ReplayedWorld
from failure_modes.checker.simulation.stepping import ConnectingProcess, SteppingConnection
from failure_modes.checker.simulation.subject import Program, Subject
from failure_modes.checker.simulation.virtual_clock import VirtualClock

_SHARED = "shared"


class PostgreSQLDatabase:
    """A database at a server, and the sessions of the processes."""

    gateway_target = ":memory:"

    def __init__(self, subject: Subject, *, shares: bool, within_statements: bool) -> None:
        """`shares`: all processes share one session, since no two transactions overlap.

        `within_statements`: processes pause within statements with SKIP LOCKED, too. Raises NoServer.
        """
        self.subject = subject
        self.server = acquire(subject)
        self.location = self.server.dsn
        self.backends = Backends(self.server.control, subject.layout.skips_locked)
        self._observer: Any = None
        self._clock = VirtualClock()
        self._shares = shares
        self._within_statements = within_statements

    @property
    def overlaps(self) -> bool:
        """True if each process has a session of its own."""
        return not self._shares

    @property
    def observer(self) -> Any:
        """The reader of the rows for an oracle. It reads the server's time, too."""
        self.server.time.tell_now(self._clock.now())
        return self._observer

    def observe(self, clock: VirtualClock) -> None:
        """Open the database for the world itself, and set `observer`."""
        self._clock = clock
        self._observer = self.subject.observe(
            self.location, clock=clock, connect=lambda _: self.server.control, create=False
        )

    def connection(self, process: ConnectingProcess, target: str, *, again: bool) -> SteppingConnection:
        """A connection that pauses the process. `again`: the process has opened one before."""
        del target
        connection, set_up = self.server.connection(_SHARED if self._shares else process.name)
        connection.pause_within_statements(self._within_statements)
        pid = connection.info.backend_pid
        return PostgreSQLStepping(
            connection,
            process,
            self.backends,
            set_up,
            clock=self._clock,
            time=self.server.time,
            gate=Gate(self.server.control, pid) if self._within_statements else None,
            alone=self._shares,
            again=again,
        )

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if a process died while its statement ran in this session."""
        return isinstance(connection, PostgreSQLStepping) and bool(connection.ghost)

    def read(self) -> Content:
        """The rows of the state."""
        return read_content(self.server.control, self.subject.layout)

    def write(self, wanted: Content, present: Callable[[], Content], *, empty_audit: bool) -> None:
        """Change the present rows to the wanted ones."""
        write_content(self.server.control, self.subject.layout, wanted, present(), empty_audit=empty_audit)

    def constraints(self) -> None:
        """Not known: the statements of a server have more ways to depend on a row."""

    def audit_end(self, content: Content) -> int:
        """Always 0: `write` emptied the audit, and each later id is new."""
        del content
        return 0

    def everything(self) -> Content:
        """Every row of every table."""
        return everything(self.server.control, self.subject.layout)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        return columns_of(self.server.control, self.subject.layout)

    def start_over(self) -> bool:
        """End all statements at the server, and empty the database."""
        self.backends.forget()
        self.server.empty()
        return True

    def close(self) -> None:
        """End all statements at the server. The next run reuses the database."""
        try:
            self.backends.forget()
        finally:
            release(self.server)


class PostgreSQLWorld(ReplayedWorld):
    """One run: a database, a clock, and the processes."""

    database: PostgreSQLDatabase
    at_server = True

    def __init__(self, subject: Subject, *, within_statements: bool = False, **options: Any) -> None:
        """`within_statements`: processes pause within statements with SKIP LOCKED, too. Raises NoServer."""
        self._within_statements = within_statements
        self._ghosts: dict[int, ProcessSnapshot] = {}
        """The last snapshot of each dead process whose statement is still at the server, by its pid there."""
        super().__init__(subject, **options)

    def open_database(self, path: Path | None) -> PostgreSQLDatabase:
        """Open an empty database at the server."""
        del path
        return PostgreSQLDatabase(
            self.subject,
            shares=self.granularity is Granularity.TRANSACTION,
            within_statements=self._within_statements,
        )

    def make_process(self, name: str, program: Program) -> Process:
        """Make a process, not yet started."""
        return PostgreSQLProcess(self, name, program)

    def release_locks(self, times: int = 1) -> None:
        """Let the statements at the server get the released locks."""
        super().release_locks(times)
        self.database.backends.wait_until_settled()

    def start_over(self) -> None:
        """Restore the state of a fresh world, in which no dead process is left."""
        super().start_over()
        self._ghosts.clear()

    def add_ghost(self, session: PostgreSQLStepping, snapshot: ProcessSnapshot) -> None:
        """Keep the snapshot of a process that dies while its statement is at the server."""
        self._ghosts[session.pid] = snapshot

    def extra_state(self) -> tuple[object, ...]:
        """The ghosts, and the times of each open transaction, counted from now, if one of them is over.

        A ghost holds locks, and will get the lock that it waits for.
        """
        is_ghost, now = self.database.backends.is_ghost, self.clock.now()
        ghosts = [snapshot for pid, snapshot in self._ghosts.items() if is_ghost(pid)]
        times = []
        for name, process in self.processes.items():
            if process.in_transaction and isinstance(process.connection, PostgreSQLStepping):
                ages = [now - at for at in process.connection.times()]
                times += [(name, *ages)] if any(ages) else []
        return (*ghosts, *times)


class PostgreSQLProcess(Process):
    """One virtual process, whose statement may be at the server while it is paused."""

    @property
    def waits(self) -> bool:
        """True if its statement waits for a lock that another process can release."""
        return isinstance(self.connection, PostgreSQLStepping) and self.connection.waits

    @property
    def place_at_server(self) -> int:
        """The place among the processes whose statement is at the server; 0 if this one has none there."""
        return self.connection.place_at_server if isinstance(self.connection, PostgreSQLStepping) else 0

    def kill(self) -> None:
        """Kill the process at its boundary. The rolled back transaction may have used up ids."""
        if isinstance(self.connection, PostgreSQLStepping) and self.place_at_server:
            assert isinstance(self.world, PostgreSQLWorld), "a PostgreSQL process is in a PostgreSQL world"
            self.world.add_ghost(self.connection, self.snapshot())
        if self.in_transaction:
            assert isinstance(self.world, PostgreSQLWorld), "a PostgreSQL process is in a PostgreSQL world"
            self.world.content.note_change()
        super().kill()
