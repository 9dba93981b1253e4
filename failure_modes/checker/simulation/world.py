"""The world a subject runs in. It owns all nondeterminism: who moves, when time passes, who dies.

A process is a greenlet that runs the real code until its next boundary. One process moves at a time. A crash
throws `Crashed` into the greenlet where it stands, closes its connection, and a fresh process takes the name.

The database is in `database.py`, and its content in `world_content.py`. A *restorable* world can be restored
to where it once was. At granularity `transaction` no two transactions overlap, so there all its processes may
share one connection to a database in memory.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from greenlet import getcurrent

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.database import Database
from failure_modes.checker.simulation.gateway import CHARGES, COLUMNS, Gateway
from failure_modes.checker.simulation.host import VirtualClock
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase
from failure_modes.checker.simulation.stepping import SteppingConnection
from failure_modes.checker.simulation.subject import Program, Subject
from failure_modes.checker.simulation.world_content import WorldContent, charged


class World:
    """One run: a database, a clock, and the processes."""

    def __init__(
        self,
        subject: Subject,
        *,
        granularity: Granularity = Granularity.TRANSACTION,
        restorable: bool = False,
        forgets: bool = False,
        path: Path | None = None,
    ) -> None:
        """`forgets`: a process remembers of an operation only what it answered, where the subject allows it.

        `path` is the database of a run that has begun elsewhere; it is not this world's to remove.
        """
        self.subject = subject
        self.granularity = granularity
        self.restorable = restorable
        self.hub = getcurrent()
        self.clock = VirtualClock()
        self.releases = 0
        """How often a lock was released."""
        self.database = self.open_database(path)
        self.overlaps = self.database.overlaps
        """Whether transactions that touch different rows may be open at the same time."""
        self.replays = restorable and self.overlaps
        """Whether it can be restored only by the way that led there."""
        self.database.observe(self.clock)
        self.gateway = Gateway(self.database.gateway_target) if subject.calls_gateway else None
        self._systems: dict[str, tuple[Any, SteppingConnection]] = {}
        self.processes = {name: self.process(name, program) for name, program in subject.programs().items()}
        self.forgets = forgets and subject.remembers_answers_only(self.observer)
        self._contents = WorldContent(self.database, self.gateway) if restorable else None

    def open_database(self, path: Path | None) -> Database:
        """Have a database that nobody else uses."""
        exclusive = self.granularity is Granularity.TRANSACTION
        return SQLiteDatabase(
            self.subject, path=path, in_memory=self.restorable and exclusive, restorable=self.restorable
        )

    @property
    def observer(self) -> Any:
        """What reads the rows for an oracle, as the subject has it."""
        return self.database.observer

    # The processes.

    def process(self, name: str, program: Program) -> Process:
        """A process of that name, not yet started."""
        return Process(self, name, program)

    def connection(self, process: ProcessContext, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        return self.database.connection(process, target)

    def open(self, process: ProcessContext) -> Any:
        """The system as this process has it: new objects, a connection of its own.

        Where a system keeps nothing, a process that is restored may have the one it had.
        """
        known, connection = self._systems.get(process.name, (None, None))
        if connection is not None and not self.database.is_lost(connection):
            process.reconnect(connection)  # what it has kept since it was made is still being watched
            return known
        system = self.subject.open(process, self.database.location)
        if self.restorable:
            process.watch(system)
        if self.forgets and process.connection is not None:
            self._systems[process.name] = system, process.connection
        return system

    def release_locks(self, times: int = 1) -> None:
        """Whoever waits for a lock may try again."""
        self.releases += times

    def lose_power(self) -> int:
        """Let power fail. Only where it is watched what the disk was told to keep: see `powered.py`."""
        raise NotImplementedError("the disk of this world is not watched")

    # What is in the database, and how it is restored.

    def note_commit(self) -> None:
        """Something was committed, and the audit may tell of it."""
        if self._contents is not None:
            self._contents.note_commit()

    def note_change(self) -> None:
        """Something may have changed that no commit tells of."""
        if self._contents is not None:
            self._contents.note_change()

    def content(self) -> Content:
        """What is in the database now, or will be once it is used. Of a restorable world only."""
        return self._restorable.now()

    def same(self, content: Content) -> Content:
        """The object that stands for all contents that are equal to this one."""
        return self._restorable.same(content)

    def left(self) -> Content:
        """Every row of every table there is: what a run has left behind."""
        return (*charged(self.gateway), *self.database.everything())

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        return ({} if self.gateway is None else {CHARGES: COLUMNS}) | self.database.columns()

    def put_back(self, content: Content, now: int, standings: tuple[Standing, ...]) -> None:
        """Be where a world of this subject once was: its content, its time and its processes."""
        pairs = list(zip(self.processes.values(), standings, strict=True))
        for process, there in pairs:
            if process.in_transaction or process.stands() is not there:
                process.stand(there)
        self._restorable.restore(content)
        self.clock.restore(now)
        for process, there in pairs:
            if there.in_transaction:
                process.begin_again()
        for process, there in pairs:
            if process.waits is not there.waits:
                process.wait(waits=there.waits)

    @property
    def unused(self) -> bool:
        """True if nothing has run since the world was restored: so nothing can have changed."""
        return self._contents is not None and self._contents.unused

    def settle(self) -> None:
        """Let the database be what it was restored to. Called before it is used."""
        if self._contents is not None:
            self._contents.settle()

    def start_over(self) -> None:
        """Be a fresh world. Only where there is no other way to be restored."""
        raise NotImplementedError("this world is restored by its content")

    def beyond(self) -> tuple[object, ...]:
        """What the future depends on, besides the content and where the processes stand."""
        return ()

    def audit_before(self, content: Content) -> int:
        """The id of the last row of the audit, when the world has been restored to this content."""
        return self._restorable.audit_end(content)

    @property
    def _restorable(self) -> WorldContent:
        if self._contents is None:
            raise NotImplementedError("this world was not made to be restored")
        return self._contents

    def close(self) -> None:
        """Kill every process and let go of the database."""
        with ExitStack() as ends:  # each of them, whatever becomes of the others; the last comes first
            ends.callback(self.database.close)
            if self.gateway is not None:
                ends.callback(self.gateway.close)
            for process in self.processes.values():
                ends.callback(process.kill)
