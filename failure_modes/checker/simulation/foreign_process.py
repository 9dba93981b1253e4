"""A virtual process that runs the code of any queue: a greenlet for each of its threads, one at a time."""

from typing import Any

from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.foreign import (
    AT_REST,
    Arrival,
    ForeignContext,
    ForeignProgram,
    Task,
    Where,
    ended,
)
from failure_modes.checker.simulation.seams.event_loop import without_event_loop
from failure_modes.checker.simulation.seams.stepped import running
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.simulation.virtual_clock import VirtualClock


class _VirtualContext(ForeignContext):
    """The context of a greenlet."""

    def __init__(self, name: str, clock: VirtualClock, hub: greenlet, salt: str) -> None:
        super().__init__(name, clock, salt)
        self.paused: greenlet | None = None
        """The greenlet of the thread that has switched to the world."""
        self._hub = hub

    def switch(self, arrival: Arrival) -> None:
        """Switch to the greenlet of the world."""
        self.paused = getcurrent()
        with without_event_loop(), self.threads.outside():
            self._hub.switch(arrival)


class ForeignProcess:
    """One virtual process."""

    def __init__(self, name: str, clock: VirtualClock, program: ForeignProgram) -> None:
        self.name = name
        self.at = AT_REST
        self._clock = clock
        self._program = program
        self._lives = 0
        self._context: _VirtualContext | None = None
        self._greenlet: greenlet | None = None

    def resume(self, *, task: Task | None = None, fails: bool = False, stopped: bool = False) -> Arrival:
        """Go on to the next boundary."""
        if self._greenlet is None:
            self._start()
        assert self._context is not None
        self._context.give(task, fails=fails, stopped=stopped)
        self.at = self._switch()
        if self.at.where is Where.DEAD:
            died = self.at
            self.kill()
            return died
        return self.at

    def kill(self) -> None:
        """Kill the process where it is. A fresh one takes its name."""
        context, self._context = self._context, None
        left, self._greenlet = self._greenlet, None
        self.at = AT_REST
        if context is None:
            return
        context.die()
        with running(context):
            context.threads.kill()
            if left is not None and not left.dead:
                left.throw(Crashed)
        context.release()

    def _start(self) -> None:
        self._lives += 1
        self._context = _VirtualContext(self.name, self._clock, getcurrent(), str(self._lives))
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self.at = self._switch()

    def _switch(self) -> Arrival:
        assert self._greenlet is not None
        assert self._context is not None
        with running(self._context):
            arrival: Any = (self._context.paused or self._greenlet).switch()
        assert isinstance(arrival, Arrival), "a process tells where it has arrived"
        return arrival

    def _main(self, *_: Any) -> Arrival:
        context = self._context
        assert context is not None
        return ended(self._program, context)
