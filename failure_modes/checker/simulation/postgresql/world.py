"""The world on PostgreSQL: the same virtual processes, each with a session at a real server.

At granularity `transaction` no two transactions overlap, and all processes may share one session; such a
world can be put back to where it once was. At granularity `statement` each has its own, and may wait for a
lock.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.scope import Granularity, Scope, Swap
from failure_modes.checker.simulation.constraints import same_token
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.gateway import CHARGES, COLUMNS, Gateway
from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.postgresql.content import (
    KEPT,
    columns_of,
    everything,
    read_content,
    write_content,
)
from failure_modes.checker.simulation.postgresql.database import Database, give_back, take
from failure_modes.checker.simulation.postgresql.stepping import PostgreSQLStepping
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.stepping import SteppingConnection
from failure_modes.checker.simulation.world import World
from system.clock import ManualClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.store import Store

_SHARED = "shared"


class PostgreSQLWorld(World):
    """One run: a database, a clock, and the processes."""

    def __init__(self, scope: Scope, swap: Swap, **options: Any) -> None:
        """Raises NoServer."""
        self._shares = scope.granularity is Granularity.TRANSACTION
        self._ghosts: dict[int, Standing] = {}
        """Of each dead process that lingers at the server: where it stood."""
        super().__init__(scope, swap, **options)
        self.overlaps = not self._shares
        self.replays = self.restorable and self.overlaps

    def _open_database(self, path: Path | None) -> None:
        del path
        self._database: Database = take(constraints=self.scope.constraints)
        self._backends = Backends(self._database.control)
        self.observer = PostgreSQLStore(self._database.dsn, connect=lambda _: self._database.control)
        if self.scope.settings.external:
            self.gateway = Gateway(":memory:")

    def process(self, name: str, program: Any) -> Process:
        """A process of that name, not yet started."""
        return PostgreSQLProcess(self, name, program)

    def settle_sessions(self) -> None:
        """Wait until the server is at rest."""
        self._backends.settle()

    def start_over(self) -> None:
        """Be a fresh world."""
        for process in self.processes.values():
            process.kill()
        self._backends.forget()
        self._database.empty()
        if self.gateway is not None:
            self.gateway.put_back(())
        self._ghosts.clear()
        self.clock = ManualClock()
        self.releases = 0
        self.changed = True

    def dies(self, session: PostgreSQLStepping, standing: Standing) -> None:
        """A process dies with its statement at the server."""
        self._ghosts[session.pid] = standing

    def beyond(self) -> tuple[object, ...]:
        """The ghosts: what they hold is held, and what they wait for they will get."""
        return tuple([standing for pid, standing in self._ghosts.items() if self._backends.lingers(pid)])

    def connection(self, process: Process, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        del target
        connection, set_up = self._database.connection(_SHARED if self._shares else process.name)
        return PostgreSQLStepping(connection, process, self._backends, set_up, alone=self._shares)

    def queue(self, process: Process) -> Queue:
        """The system as this process sees it."""
        _, session = self._queues.get(process.name, (None, None))
        if isinstance(session, PostgreSQLStepping) and session.ghost:
            del self._queues[process.name]
        return super().queue(process)

    def store(self, process: Process) -> Store:
        """The store as this process has it."""
        store = PostgreSQLStore(self._database.dsn, clock=process, connect=process.connect, tokens=same_token)
        assert isinstance(process.connection, PostgreSQLStepping), "it was just made"
        process.connection.is_set_up()
        return store

    def _tables_kept(self) -> tuple[str, ...]:
        return KEPT

    def _rows_kept(self) -> Content:
        return read_content(self._database.control)

    def _write(self, wanted: Content, present: Content) -> None:
        write_content(self._database.control, wanted, present, audited=self.told)

    def left(self) -> Content:
        """Every row of every table there is: what a run has left behind."""
        return (*self._charged(), *everything(self._database.control))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table."""
        of_gateway = {} if self.gateway is None else {CHARGES: COLUMNS}
        return of_gateway | columns_of(self._database.control)

    def close(self) -> None:
        """Kill every process. The database is there for the next run."""
        with ExitStack() as ends:
            ends.callback(give_back, self._database)
            ends.callback(self._backends.forget)
            if self.gateway is not None:
                ends.callback(self.gateway.close)
            for process in self.processes.values():
                ends.callback(process.kill)


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
        self.world.changed = self.world.changed or self.in_transaction
        super().kill()

    def ended(self, *, committed: bool, changed: bool, looked: bool) -> None:
        """The transaction ended, and so let go of its locks."""
        super().ended(committed=committed, changed=changed, looked=looked)
        self._settle()

    def let_go(self) -> None:
        """Its transaction failed, and let go of its locks."""
        super().let_go()
        self._settle()

    def _settle(self) -> None:
        assert isinstance(self.world, PostgreSQLWorld), "it is of that world"
        self.world.settle_sessions()
