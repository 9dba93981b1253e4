"""Breaking off: an exception for the code that one thread runs, once at most, and never outside that code.

The exception may be asked for by a signal handler, or by another thread. In the main thread it is raised by
the handler of SIGURG, so that it ends a call that waits, too (see `system.signals`). Elsewhere Python raises
it at the thread's next instruction: a call that waits ends first. Python drops an exception that falls into
a finalizer or a callback of its garbage collector; then the code is not broken off.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")

WAKE = signal.SIGURG
"""The signal that wakes the main thread. Its default is to be ignored, so it may come at any time."""


class CutShort(BaseException):
    """Raised in a handler that must end now. `except Exception` does not catch it."""


class Released(CutShort):
    """The worker was told to let go of the job. The job goes back to the queue."""


class TimedOut(CutShort):
    """The handler ran for longer than it may. The attempt has failed."""


class LeaseLost(CutShort):
    """The lease is gone, and another worker may have the job. Nothing of this attempt is kept."""


@frozen(kw_only=True)
class Waker:
    """The handler of SIGURG, in the process that installed it. A forked process ignores the signal."""

    process: int
    deliver: Callable[[], object]

    def __call__(self, _: int, __: object) -> None:
        """Raise what was asked for, if anything was."""
        if os.getpid() == self.process:
            self.deliver()


class Breakable:
    """Code that can be broken off by an exception, which is never raised outside it.

    `break_off` raises once at most, in the thread that runs the code, and only while the code is open. `run`
    catches the exception around the place that closes the code. So it does not matter between which two
    instructions it falls.
    """

    def __init__(self) -> None:
        self.asked: CutShort | None = None
        """The first exception that was asked for."""
        self.shielded = False
        """Whether a part runs that is not broken off."""
        self._runs_in = (0, 0)
        self._open = False
        self._sent = False
        self._lock = threading.RLock()  # a signal handler may need it while its own thread holds it

    def run(self, body: Callable[[], object]) -> CutShort | None:
        """Run it. Returns what broke it off, or kept it from running; None when it ran to its end."""
        try:
            try:
                self._runs_in = _here()
                self._open = True
                if self.asked is not None:
                    return self.asked
                body()
            finally:
                self._close()
        except CutShort as error:
            return self.asked or error
        return None

    def shield(self, body: Callable[[], T]) -> T:
        """Run a part of it whole; if a break is asked for meanwhile, break off after the part.

        Other threads are never broken off, so there it only runs the body.
        """
        if not self._is_here():
            return body()
        with self._lock:
            was_open, self._open = self._open, False
        try:
            self.shielded = True
            return body()
        finally:
            self.shielded = False
            with self._lock:
                self._open = was_open
            self.deliver()

    def break_off(self, error: CutShort) -> None:
        """Raise it in the code if it runs, else keep the code from running. From any thread."""
        with self._lock:
            if self.asked is None:
                self.asked = error
            if self._open and not self._is_here():
                self._wake(type(self.asked))
        self.deliver()

    def deliver(self) -> None:
        """Raise what was asked for, if this is the thread of the code and the code is open."""
        with self._lock:
            due = self.asked if self._open and self._is_here() else None
            if due is not None:
                self._open = False
        if due is not None:
            raise due

    def _wake(self, error: type[CutShort]) -> None:
        """Let the thread of the code raise it. The lock is held, so the code stays open meanwhile."""
        thread = self._runs_in[1]
        if thread == threading.main_thread().ident and isinstance(signal.getsignal(WAKE), Waker):
            signal.pthread_kill(thread, WAKE)
        else:
            self._open = False
            self._sent = True
            _send(thread, error)

    def _close(self) -> None:
        with self._lock:
            self._open = False
        if self._sent:
            _send(self._runs_in[1], None)

    def _is_here(self) -> bool:
        return self._runs_in == _here()


def _here() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def _send(thread: int, error: type[CutShort] | None) -> None:
    """Let Python raise it in that thread; None takes back what was sent and has not been raised."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
