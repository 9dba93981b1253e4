"""The world of a subject. It owns all nondeterminism: which process moves, when time passes, which one dies.

A process is a greenlet that runs the real code to its next boundary. One process moves at a time. A crash
throws `Crashed` into the greenlet at its boundary and closes its connection; then the process starts afresh
under the same name.

`database.py` has the database, and `world_content.py` its content. A *restorable* world can be restored to a
snapshot. A *reusable* world can start over, and is then as new: many runs share it, one after the other. At
granularity `transaction` no two transactions overlap, so there all processes may share one connection to a
database in memory.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from greenlet import getcurrent

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.database import Database
from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase
from failure_modes.checker.simulation.subject import Program, Subject
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.simulation.world_content import WorldContent


class World:
    """One run: a database, a clock, and the processes."""

    at_server = False
    """True if the store goes by the time of a server, and not by that of its process."""
    rolls_back = False
    """True if the store may be set back to an earlier state."""

    def __init__(
        self,
        subject: Subject,
        *,
        granularity: Granularity = Granularity.TRANSACTION,
        restorable: bool = False,
        reusable: bool = False,
        records_answers: bool = False,
        path: Path | None = None,
    ) -> None:
        """`records_answers`: the log of a process keeps only the answer of an operation that has returned.

        The subject must allow that. `path` is the database of a run that began elsewhere: the world does not
        remove it.
        """
        self.subject = subject
        self.granularity = granularity
        self.restorable = restorable
        self.reusable = reusable
        self.keeps_connections = restorable or reusable
        """True if the next process of the same name uses the connection of the one before it."""
        self.hub = getcurrent()
        self.clock = VirtualClock()
        self.lock_releases = 0
        """The number of times that a lock was released."""
        self.database = self.open_database(path)
        self.restores_by_replay = restorable and self.database.overlaps
        """True if the world can only be restored by replaying its actions."""
        self.database.observe(self.clock)
        self.gateway = Gateway(self.database.gateway_target) if subject.calls_gateway else None
        self.content = WorldContent(self.database, self.gateway)
        self.processes = self._make_processes()
        self.records_answers = records_answers and subject.allows_answers_only(self.database.observer)

    def open_database(self, path: Path | None) -> Database:
        """Open a database that no other world uses."""
        return SQLiteDatabase(self.subject, **self.database_options(path))

    def database_options(self, path: Path | None) -> dict[str, Any]:
        """The options of its database, if that is on SQLite."""
        exclusive = self.granularity is Granularity.TRANSACTION
        return {
            "path": path,
            "in_memory": self.keeps_connections and exclusive,
            "keeps_connections": self.keeps_connections,
            "reusable": self.reusable,
        }

    @property
    def can_roll_back(self) -> bool:
        """True if the store may be set back now, as far as the database is concerned."""
        return self.rolls_back

    @property
    def timeline(self) -> int:
        """How often the store was set back: rows of another timeline have other tokens."""
        return 0

    def note_commit(self) -> None:
        """Note that a process has committed, and that the audit or the rows have changed."""

    def make_process(self, name: str, program: Program) -> Process:
        """Make a process, not yet started."""
        return Process(self, name, program)

    def release_locks(self, times: int = 1) -> None:
        """Let each process that waits for a lock try again."""
        self.lock_releases += times

    def restore(
        self,
        content: Content,
        now: int,
        snapshots: tuple[ProcessSnapshot, ...],
        skews: tuple[tuple[str, int], ...] = (),
    ) -> None:
        """Restore the content, the time, the processes and their clocks of a snapshot."""
        if not self.restorable:
            raise NotImplementedError("this world was not made to be restored")
        pairs = list(zip(self.processes.values(), snapshots, strict=True))
        for process, snapshot in pairs:
            if process.in_transaction or process.snapshot() is not snapshot:
                process.restore(snapshot)
        self.content.restore(content)
        self.clock.restore(now, skews)
        for process, snapshot in pairs:
            if snapshot.in_transaction:
                process.repeat_transaction()
        for process, snapshot in pairs:
            if process.waits is not snapshot.waits:
                process.wait(waits=snapshot.waits)

    def start_over(self) -> None:
        """Be as a new world of the same subject. Raises NotImplementedError if it was not made for that."""
        if not self.reusable:
            raise NotImplementedError("this world was not made to start over")
        self._begin_again()
        self.content = WorldContent(self.database, self.gateway)

    def _begin_again(self) -> None:
        """Restore the database, the gateway, the time and the processes of a fresh world."""
        for process in self.processes.values():
            process.kill()
        kept = self.database.start_over()
        if self.gateway is not None:
            self.gateway.restore(())
        self.clock.restore(0)
        self.lock_releases = 0
        if not kept:
            self.processes = self._make_processes()

    def close(self) -> None:
        """Kill every process and close the database."""
        with ExitStack() as ends:  # an error in one does not stop the others; the last one runs first
            ends.callback(self.database.close)
            if self.gateway is not None:
                ends.callback(self.gateway.close)
            for process in self.processes.values():
                ends.callback(process.kill)

    def _make_processes(self) -> dict[str, Process]:
        return {name: self.make_process(name, program) for name, program in self.subject.programs().items()}
