"""The world with real processes: the same programs, paused at the same boundaries, and killed by SIGKILL.

Each process of a run is one of the operating system, with a connection of its own to the database file. It
runs its program as the simulated world does; at a boundary it says through a pipe where it stands, and waits
to be told to go on. What dies with it is what the operating system takes from it, and no more.

The processes are forked from a server that has no database open: what SQLite knows of a file that is open
must not be inherited (SQLite, "How To Corrupt An SQLite Database File", 2.6).
"""

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.simulation.disk.operations import Operation
from failure_modes.checker.simulation.powered import PoweredWorld
from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import Intent, StepResult
from failure_modes.checker.simulation.sqlite_stepping import SQLiteStepping
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.simulation.subject import Program
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.queue_subject import QueueSubject
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.support import child_processes
from failure_modes.checker.support.errors import SubjectError

PATIENCE_SECONDS = 60.0
"""How long a process may take to come to its next boundary."""


class ProcessLost(SubjectError):
    """A real process ended, or did not answer, where it should have come to a boundary."""


@frozen(kw_only=True)
class _Reached:
    """What a process says when it has come to a boundary."""

    moved: StepResult
    lock_releases: int
    at: PausePoint
    at_rest: bool
    in_transaction: bool
    current_job: int | None
    read_at: int | None
    operations: tuple[Operation, ...]
    """What it did to the files, where that is watched."""


class RealWorld(World):
    """A world whose processes are real."""

    def __init__(self, scope: Scope, fault: Fault, **options: Any) -> None:
        self.scope = scope
        self.fault = fault
        super().__init__(QueueSubject(scope, fault), granularity=scope.granularity, **options)

    def make_process(self, name: str, program: Program) -> "RealProcess":
        """A process of that name, not yet started."""
        del program  # it runs elsewhere
        return RealProcess(self, name)

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.database.location)


class RealPoweredWorld(PoweredWorld, RealWorld):
    """One whose power may fail, besides: every process is killed, and the files are cut to what was kept."""


def real_world_of(scope: Scope, fault: Fault) -> World:
    """The world of real processes that a scope asks for."""
    return (RealPoweredWorld if scope.power_loss else RealWorld)(scope, fault)


class RealProcess(Process):
    """A process of the operating system. It is started when it first moves."""

    def __init__(self, world: RealWorld, name: str) -> None:
        super().__init__(world, name, _never)
        self._real = world
        self._child: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._in_transaction = False

    @property
    def pid(self) -> int | None:
        """Its number, while it lives."""
        return None if self._child is None else self._child.pid

    @property
    def in_transaction(self) -> bool:
        """Whether it holds a transaction open."""
        return self._in_transaction

    def resume(self, intent: Intent) -> StepResult:
        """Run on to the next boundary. Raises ProcessLost."""
        pipe = self._started()
        try:
            pipe.send((intent, self.world.clock.now()))
            if not pipe.poll(PATIENCE_SECONDS):
                raise ProcessLost(f"process {self.name} did not come to a boundary in {PATIENCE_SECONDS:g} s")
            reached: _Reached = pipe.recv()
        except (EOFError, ConnectionError):
            raise ProcessLost(f"process {self.name} ended by itself") from None
        if isinstance(self.world, PoweredWorld):
            self.world.database.apply(reached.operations)
        self.world.release_locks(reached.lock_releases)
        self.boundaries.report(at=reached.at, read_at=reached.read_at)
        self.context.report(at_rest=reached.at_rest, current_job=reached.current_job)
        self._in_transaction = reached.in_transaction
        self.wait(waits=reached.moved.blocked)
        return reached.moved

    def kill(self) -> None:
        """SIGKILL. The operating system lets go of its locks."""
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
        """Make an end of it."""
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
    """What the child does: the program of that name, from boundary to boundary, as it is told to.

    Where nobody is left to tell it, it ends without a word.
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
                operations=_done(world),
            )
        )


def _done(world: World) -> tuple[Operation, ...]:
    return world.database.take_operations() if isinstance(world, PoweredWorld) else ()


def _let_finally_commit(process: Process) -> None:
    """What no crash does: what was begun is made durable by a `finally`. See `SoftProcess`."""
    if isinstance(process.connection, SQLiteStepping) and process.in_transaction:
        process.connection.commit_open_transaction()


class SoftWorld(RealWorld):
    """A world that is unlike a real one, so that the comparison has something to find: a canary."""

    def make_process(self, name: str, program: Program) -> "RealProcess":
        """A process whose crash is none."""
        del program
        return SoftProcess(self, name)


class SoftProcess(RealProcess):
    """Its crash is not SIGKILL: it is asked to end, and commits what it had begun."""

    def end(self, child: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
        """Ask it to end."""
        del child
        with suppress(BrokenPipeError):  # it has ended by itself
            pipe.send((None, 0))


def _never(process: Process) -> None:
    raise AssertionError(f"process {process.name} runs elsewhere")
