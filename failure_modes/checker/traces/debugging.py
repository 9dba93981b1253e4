"""A debugger that stops inside the system's code, before a step of a replay.

The process of that step is paused at a boundary. When it moves on, the debugger opens in the innermost frame
that is not the checker's: in the store, or in the worker. `quit` ends the run with `LeftRun`. It leaves the
trace function of the interpreter in the middle, so a process debugs one run.
"""

import sys
from bdb import BdbQuit
from fnmatch import fnmatch
from functools import partial
from pdb import Pdb
from types import FrameType
from typing import IO, Any, NoReturn

from greenlet import greenlet

from failure_modes.checker.support.errors import CallerError
from failure_modes.checker.traces.recording import LeftRun, RecordingLockstep
from model.actions import Action, Crash, actor_of

_NOT_THE_SYSTEM = ("failure_modes.checker.*", "contextlib", "functools", "greenlet*")
"""The modules in which the debugger never stops."""


class NothingToDebug(CallerError):
    """In that step no code of the system runs, or there is no such step."""


class Debugger:
    """Opens pdb before one step of a run. `stdin` and `stdout` are for tests."""

    def __init__(self, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        self.opened = False
        """True if the debugger has stopped in the system."""
        self._stdin, self._stdout = stdin, stdout

    def attach(self, run: RecordingLockstep, step: int) -> None:
        """Stop before that step of the run."""

        def before(number: int, action: Action) -> None:
            if number == step:
                self._stop_in(run, number, action)

        run.before_step = before

    def _stop_in(self, run: RecordingLockstep, number: int, action: Action) -> None:
        name = actor_of(action)
        if name is None or isinstance(action, Crash):
            what = f"step {number} is {type(action).__name__}"
            raise NothingToDebug(f"{what}: no code of the system runs in it; choose another step")
        self._print(
            f"step {number}: {type(action).__name__} of {name}; `quit` leaves the run, `continue` ends it"
        )
        run.world.processes[name].boundaries.debug(partial(self._open, run.world.hub))

    def _open(self, hub: greenlet) -> bool:
        """Open pdb in the frame of the system. False if the process has not reached its code yet."""
        frame = _frame_of_system(sys._getframe(1))  # noqa: SLF001 (the frame of the caller)
        if frame is None:
            return False
        self.opened = True
        _Pdb(hub, self._stdin, self._stdout).open(frame)
        return True

    def _print(self, text: str) -> None:
        print(text, file=self._stdout or sys.stdout, flush=True)


class _Pdb(Pdb):
    """pdb that opens at once, and that leaves by `LeftRun`."""

    def __init__(self, hub: greenlet, stdin: IO[str] | None, stdout: IO[str] | None) -> None:
        super().__init__(skip=_NOT_THE_SYSTEM, stdin=stdin, stdout=stdout)
        self._hub = hub

    def open(self, frame: FrameType) -> None:
        """Open in this frame, at the line that it executes now."""
        self.reset()
        outer: FrameType | None = frame
        while outer is not None:
            outer.f_trace = self.trace_dispatch
            self.botframe, outer = outer, outer.f_back
        self.interaction(frame, None)  # nothing is traced yet, or pdb would stop in itself
        if self.quitting:
            self._leave()
        if self.breaks or self.stopframe is not self.botframe:  # any command but `continue`
            sys.settrace(self.trace_dispatch)

    def trace_dispatch(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Go on, unless the user has left."""
        try:
            return super().trace_dispatch(frame, event, arg)
        except BdbQuit:
            self._leave()

    def _leave(self) -> NoReturn:
        """Raise LeftRun where the world moved the process: the code of the system could catch it here."""
        sys.settrace(None)
        self._hub.throw(LeftRun)
        raise AssertionError("a run that was left does not go on")


def _frame_of_system(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is the system's; None if there is none."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not any(fnmatch(name, pattern) for pattern in _NOT_THE_SYSTEM):
            return frame
        frame = frame.f_back
    return None
