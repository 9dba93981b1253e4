"""The world with real processes: the same programs, paused at the same boundaries, and killed by SIGKILL.

Each process of a run is a process of the operating system, with its own connection to the database file. It
runs the same program as in the simulated world. At a boundary it reports its pause point through a pipe, and
waits for the next message. When it is killed, it loses only what the operating system takes from a process.

The processes are forked from a fork server that has no database open: a child must not inherit an open SQLite
connection (SQLite, "How To Corrupt An SQLite Database File", 2.6).
"""

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.simulation.disk.operations import Operation
from failure_modes.checker.simulation.power_loss_world import PowerLossWorld
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import Intent, StepResult
from failure_modes.checker.simulation.sqlite_stepping import SQLiteStepping
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.simulation.subject import Program
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.queue_subject import QueueSubject
from failure_modes.checker.subject.worlds import NoWorld, world_of
from failure_modes.checker.support import child_processes
from failure_modes.checker.support.errors import SubjectError

PATIENCE_SECONDS = 60.0
"""The time limit for a process to reach its next boundary."""


class ProcessLost(SubjectError):
    """A real process ended or did not answer before it reached its next boundary."""


@frozen(kw_only=True)
class _Reached:
    """The report of a process that has reached a boundary."""

    moved: StepResult
    lock_releases: int
    at: PausePoint
    at_rest: bool
    in_transaction: bool
    current_job: int | None
    read_at: int | None
    operations: tuple[Operation, ...]
    """Its file operations, if the world records them."""


class RealWorld(World):
    """A world whose processes are real."""

    def __init__(self, scope: Scope, fault: Fault, **options: Any) -> None:
        self.scope = scope
        self.fault = fault
        super().__init__(QueueSubject(scope, fault), granularity=scope.granularity, **options)

    def make_process(self, name: str, program: Program) -> "RealProcess":
        """A process of that name. It starts with its first step."""
        del program  # it runs elsewhere
        return RealProcess(self, name)

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.database.location)


class RealPowerLossWorld(PowerLossWorld, RealWorld):
    """A real world with losses of power: every process is killed, and the files lose the unsynced writes."""


def real_world_of(scope: Scope, fault: Fault) -> World:
    """The world with real processes for a scope. Raises NoWorld."""
    if scope.threads:
        raise NoWorld("no real process of the checker has a second thread")
    return (RealPowerLossWorld if scope.power_loss else RealWorld)(scope, fault)


class RealProcess(Process):
    """A process of the operating system. It starts with its first step."""

    def __init__(self, world: RealWorld, name: str) -> None:
        super().__init__(world, name, _never)
        self._real = world
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._in_transaction = False

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return None if self._child is None else self._child.pid

    @property
    def in_transaction(self) -> bool:
        """True if it has an open transaction."""
        return self._in_transaction

    def resume(self, intent: Intent) -> StepResult:
        """Run to the next boundary. Raises ProcessLost."""
        pipe = self._started()
        try:
            pipe.send((intent, self.world.clock.now()))
            if not pipe.poll(PATIENCE_SECONDS):
                raise ProcessLost(f"process {self.name} reached no boundary in {PATIENCE_SECONDS:g} s")
            reached: _Reached = pipe.recv()
        except (EOFError, ConnectionError):
            raise ProcessLost(f"process {self.name} ended by itself") from None
        if isinstance(self.world, PowerLossWorld):
            self.world.database.apply(reached.operations)
        self.world.release_locks(reached.lock_releases)
        self.boundaries.report(at=reached.at, read_at=reached.read_at)
        self.context.work.report(at_rest=reached.at_rest, current_job=reached.current_job)
        self._in_transaction = reached.in_transaction
        self.wait(waits=reached.moved.blocked)
        return reached.moved

    def kill(self) -> None:
        """Send SIGKILL. The operating system releases its locks."""
        held = self._in_transaction
        if self._child is not None and self._pipe is not None:
            self.end(self._child, self._pipe)
            self._child.join()
            self._pipe.close()
        if held:
            self.world.release_locks()
        self._child = self._pipe = None
        self._in_transaction = False
        self.context.reset()
        self.boundaries.reset()

    def end(self, child: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
        """End the child process."""
        del pipe
        child.kill()

    def _started(self) -> Connection:
        if self._pipe is None:
            ours, theirs = multiprocessing.Pipe()
            world = self._real
            arguments = (theirs, self.name, str(world.path), world.scope, world.fault)
            context = child_processes.fork_server("failure_modes.checker.real.real")
            child = child_processes.start(context, _run, *arguments, daemon=True)
            theirs.close()
            self._child, self._pipe = child, ours
        return self._pipe


def _run(pipe: Connection, name: str, path: str, scope: Scope, fault: Fault) -> None:
    """The main function of the child: run the program from boundary to boundary, one for each message.

    It returns when the pipe is closed.
    """
    with suppress(EOFError, ConnectionError):
        _serve(pipe, name, path, scope, fault)


def _serve(pipe: Connection, name: str, path: str, scope: Scope, fault: Fault) -> None:
    world = world_of(scope, fault, path=Path(path))
    process = world.processes[name]
    while True:
        intent, now = pipe.recv()
        if intent is None:
            _let_finally_commit(process)
            return
        world.clock.restore(now)
        lock_releases = world.lock_releases
        moved = process.resume(intent)
        pipe.send(
            _Reached(
                moved=moved,
                lock_releases=world.lock_releases - lock_releases,
                at=process.at,
                at_rest=process.at_rest,
                in_transaction=process.in_transaction,
                current_job=process.current_job,
                read_at=process.transaction.read_at,
                operations=_file_operations(world),
            )
        )


def _file_operations(world: World) -> tuple[Operation, ...]:
    return world.database.take_operations() if isinstance(world, PowerLossWorld) else ()


def _let_finally_commit(process: Process) -> None:
    """Commit the open transaction, as a `finally` block could. A real crash does not. For the canary only."""
    if isinstance(process.connection, SQLiteStepping) and process.in_transaction:
        process.connection.commit_open_transaction()


class CommittingCrashWorld(RealWorld):
    """A canary: a world with a wrong crash, which the comparison must notice."""

    def make_process(self, name: str, program: Program) -> "RealProcess":
        """A process whose crash commits."""
        del program
        return CommittingCrashProcess(self, name)


class CommittingCrashProcess(RealProcess):
    """A process with a wrong crash: it is not killed; it gets a message, and commits its open transaction."""

    def end(self, child: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
        """Send the message to end."""
        del child
        with suppress(BrokenPipeError):  # the process has ended by itself
            pipe.send((None, 0))


def _never(process: Process) -> None:
    raise AssertionError(f"process {process.name} runs in a child process")
