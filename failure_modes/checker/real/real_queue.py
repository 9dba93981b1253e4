"""Real processes for any queue: the same programs, stopped at the same boundaries, and killed by SIGKILL.

Each process is forked from a fork server and opens the real files itself, with the real locks of the
system. At a boundary it tells its parent through a pipe where it is, and is stopped with SIGSTOP until it
may go on. Only time is simulated: the parent sends it, because no test can wait for a lease. What replays
here is called confirmed.
"""

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.moves import Moves
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.oracle.queue_run import Troubled, play
from failure_modes.checker.oracle.queue_world import MakeWorld
from failure_modes.checker.simulation.foreign import (
    AT_REST,
    Arrival,
    ForeignContext,
    ForeignProgram,
    Guest,
    Task,
    Where,
    ended,
)
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.chance import ChanceSeam
from failure_modes.checker.simulation.seams.clock import ClockSeam
from failure_modes.checker.simulation.seams.event_loop import EventLoopSeam
from failure_modes.checker.simulation.seams.stepped import Seam, ServedSeam, running
from failure_modes.checker.simulation.thread_carriers import SystemThreadCarrier
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.subject.adapter import Adapter, AdapterSource, programs_of
from failure_modes.checker.subject.seams import seams_of
from failure_modes.checker.support import child_processes
from failure_modes.checker.support.errors import SubjectError

PATIENCE_SECONDS = 60.0
"""The time limit for a process to reach its next boundary."""

CONFIRMED_BY = (
    "real processes: SIGSTOP at the same boundaries, SIGKILL for a crash, real files or a real server; "
    "simulated time"
)


class RealQueueProcess:
    """A process of the operating system. It starts with its first task."""

    def __init__(self, name: str, world: "RealQueueWorld") -> None:
        self.name = name
        self.at = AT_REST
        self._world = world
        self._lives = 0
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def resume(self, *, task: Task | None = None, fails: bool = False, stopped: bool = False) -> Arrival:
        """Go on to the next boundary. Raises SubjectError if the process does not answer."""
        pipe = self._started()
        child = self._child
        assert child is not None
        assert child.pid is not None
        try:
            os.kill(child.pid, signal.SIGCONT)
            pipe.send((task, fails, stopped, self._world.now))
            if not pipe.poll(PATIENCE_SECONDS):
                raise SubjectError(f"process {self.name} reached no boundary in {PATIENCE_SECONDS:g} s")
            arrival: Arrival | str = pipe.recv()
        except (EOFError, OSError):
            raise SubjectError(f"process {self.name} ended by itself") from None
        if isinstance(arrival, str):
            raise SubjectError(arrival)
        self.at = arrival
        if arrival.where is Where.DEAD:
            self.kill()
        elif arrival.where is not Where.REST:
            os.kill(child.pid, signal.SIGSTOP)
        return arrival

    def kill(self) -> None:
        """Send SIGKILL. The operating system releases its locks."""
        self.at = AT_REST
        if self._child is not None and self._pipe is not None:
            self._child.kill()
            self._child.join()
            self._pipe.close()
        self._child = self._pipe = None

    def _started(self) -> Connection:
        if self._pipe is None:
            self._lives += 1
            ours, theirs = Pipe()
            context = child_processes.fork_server(__name__)
            arguments = (theirs, self.name, str(self._lives), self._world.source, str(self._world.folder))
            self._child = child_processes.start(context, _run, *arguments, daemon=True)
            theirs.close()
            self._pipe = ours
        return self._pipe


class RealQueueWorld(ForeignWorld):
    """A world whose processes are real."""

    def __init__(self, adapter: Adapter, source: AdapterSource) -> None:
        self.source = source
        super().__init__(
            lambda place: programs_of(adapter, place),
            seams_of(adapter.seams),
            lambda place: adapter.reset(place),
        )

    def make_process(self, name: str, program: ForeignProgram) -> Guest:
        """A process of that name. It starts with its first task."""
        del program  # it runs elsewhere
        return RealQueueProcess(name, self)

    @contextmanager
    def serving(self, seams: Sequence[Seam]) -> Iterator[None]:
        """Inside, the server of each seam that has one runs in the folder."""
        self._served = tuple([seam for seam in seams if isinstance(seam, ServedSeam)])
        with ExitStack() as servers:
            for seam in self._served:
                servers.enter_context(seam.served(self.folder))
            yield

    def advance(self, milliseconds: int) -> None:
        """Let time pass, for the real servers as well."""
        super().advance(milliseconds)
        for seam in self._served:
            seam.age(self.folder, milliseconds)


def real_world(source: AdapterSource) -> MakeWorld:
    """The real worlds of an adapter."""
    return lambda adapter: RealQueueWorld(adapter, source)


def confirm(source: AdapterSource, moves: Moves, hunt: Hunt | None) -> Troubled | None:
    """Run the moves with real processes. Returns the trouble, or None if there is none."""
    return play(source.load(), moves, target=hunt, make_world=real_world(source))


class _RealContext(ForeignContext):
    """The context of a real process: it talks to its parent."""

    carrier = SystemThreadCarrier

    def __init__(self, name: str, salt: str, pipe: Connection, clock: VirtualClock) -> None:
        super().__init__(name, clock, salt)
        self._pipe = pipe
        self._real_clock = clock
        self.clock_seam = ClockSeam(self.now)
        self._asked = True
        """True if the parent has asked where the process is, and waits for the answer."""

    def begin(self) -> None:
        """Take the first message."""
        self._take()

    def switch(self, arrival: Arrival) -> None:
        """Tell the parent, and wait until the process may go on."""
        if self._asked and arrival.where is Where.REST:  # the first rest: the task is known already
            self._asked = False
            return
        self._pipe.send(arrival)
        self._take()

    def _take(self) -> None:
        task, fails, stopped, now = self._pipe.recv()
        self._real_clock.restore(now)
        self.clock_seam.moved()
        self.give(task, fails=fails, stopped=stopped)


def _run(pipe: Connection, name: str, salt: str, source: AdapterSource, place: str) -> None:
    """The main function of the child. It returns when the pipe is closed."""
    with suppress(EOFError, ConnectionError):
        try:
            _serve(pipe, name, salt, source, Path(place))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            pipe.send(f"process {name} failed: {type(error).__name__}: {error}")


def _serve(pipe: Connection, name: str, salt: str, source: AdapterSource, place: Path) -> None:
    adapter = source.load()
    programs: Mapping[str, Any] = programs_of(adapter, place)
    context = _RealContext(name, salt, pipe, VirtualClock())
    own: tuple[Seam, ...] = (context.clock_seam, ChanceSeam(f"{name} {salt}"), EventLoopSeam())
    every = (*own, *seams_of(adapter.seams))
    logging.disable(logging.CRITICAL)  # a library logs each job that fails, as the schedule asked
    with ExitStack() as ends:
        for seam in every:
            ends.enter_context(seam.installed())
        context.begin()
        with running(context):
            pipe.send(ended(programs[name], context))
