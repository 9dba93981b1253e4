"""The world of any queue: a folder for its files, a clock, and its processes. One process moves at a time.

It never knows which queue runs in it: it gets the programs of the processes, and the seams. A world is made
anew for each run; the folder is removed when it is closed.
"""

import itertools
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from failure_modes.checker.simulation.foreign import (
    EPOCH_SECONDS,
    Arrival,
    ForeignProgram,
    Guest,
    Task,
    Where,
)
from failure_modes.checker.simulation.foreign_process import ForeignProcess
from failure_modes.checker.simulation.seams.chance import ChanceSeam
from failure_modes.checker.simulation.seams.clock import ClockSeam
from failure_modes.checker.simulation.seams.event_loop import EventLoopSeam
from failure_modes.checker.simulation.seams.stepped import Seam, SettlingSeam, outside
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.support import temporary

_numbers = itertools.count(1)


class ForeignWorld:
    """One run. `close` must be called."""

    def __init__(
        self,
        programs: Callable[[Path], Mapping[str, ForeignProgram]],
        seams: Sequence[Seam],
        reset: Callable[[Path], None],
    ) -> None:
        """`programs` has the program of each process; `reset` makes an empty queue. Both get the folder."""
        self.clock = VirtualClock()
        self.folder = temporary.own() / f"queue-{next(_numbers)}"
        self._ends = ExitStack()
        self._clock_seam = ClockSeam(self._now)
        self._settling = [seam for seam in seams if isinstance(seam, SettlingSeam)]
        with ExitStack() as starting:
            self.folder.mkdir()
            starting.callback(shutil.rmtree, self.folder, ignore_errors=True)
            every: tuple[Seam, ...] = (self._clock_seam, ChanceSeam(), EventLoopSeam(), *seams)
            starting.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.CRITICAL)  # a library logs each job that fails, as the schedule asked
            for seam in every:
                starting.enter_context(seam.installed())
            starting.enter_context(self.serving(seams))
            with outside():
                reset(self.folder)
            self.processes: Mapping[str, Guest] = {
                name: self.make_process(name, program) for name, program in programs(self.folder).items()
            }
            self._ends = starting.pop_all()

    @property
    def now(self) -> int:
        """The time of the run, in milliseconds."""
        return self.clock.now()

    def make_process(self, name: str, program: ForeignProgram) -> Guest:
        """Make a process, not yet started."""
        return ForeignProcess(name, self.clock, program)

    def serving(self, seams: Sequence[Seam]) -> AbstractContextManager[object]:
        """Inside, the real servers run that the processes need. In the simulation there are none."""
        del seams
        return nullcontext()

    def resume(
        self, name: str, *, task: Task | None = None, fails: bool = False, stopped: bool = False
    ) -> Arrival:
        """Let a process go on to its next boundary. Time that it sleeps passes."""
        arrival = self.processes[name].resume(task=task, fails=fails, stopped=stopped)
        if arrival.slept_ms:
            self.advance(arrival.slept_ms)
        self._settle(name if arrival.where is Where.DEAD else None)
        return arrival

    def kill(self, name: str) -> None:
        """Kill a process where it is. A fresh one takes its name."""
        self.processes[name].kill()
        self._settle(name)

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.clock.advance(milliseconds)
        self._clock_seam.moved()

    def close(self) -> None:
        """Kill every process, restore the modules, and remove the folder."""
        with self._ends:
            for process in self.processes.values():
                process.kill()

    def _settle(self, died: str | None) -> None:
        """Let the servers do what the last move let them do."""
        if self._settling:
            waiting = any(process.at.where is Where.BLOCKED for process in self.processes.values())
            for seam in self._settling:
                seam.settle(self.folder, waiting=waiting, died=died)

    def _now(self) -> float:
        return EPOCH_SECONDS + self.clock.now() / 1000
