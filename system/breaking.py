"""Breaking off: an exception for the code that one thread runs, once at most, and never outside that code.

A signal handler or another thread may request the exception. In the main thread the handler of SIGURG raises
it, so that it also ends a call that waits (see `system.signals`). In other threads Python raises it at the
thread's next instruction: a call that waits ends first. Python drops an exception that falls into a finalizer
or a callback of its garbage collector; then the code is not broken off.
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
"""The signal that wakes the main thread. By default it is ignored, so it may come at any time."""


class CutShort(BaseException):
    """Raised in a handler that must end now. `except Exception` does not catch it."""


class Released(CutShort):
    """The worker releases the job. The job goes back to the queue."""


class TimedOut(CutShort):
    """The handler ran for too long. The attempt has failed."""


class LeaseLost(CutShort):
    """The lease is gone, and another worker may have the job. Nothing of this attempt is kept."""


@frozen(kw_only=True)
class Waker:
    """The handler of SIGURG, in the process that installed it. A forked process ignores the signal."""

    process: int
    deliver: Callable[[], object]

    def __call__(self, _: int, __: object) -> None:
        """Raise the exception that was requested, if any."""
        if os.getpid() == self.process:
            self.deliver()


class Breakable:
    """Code that can be broken off by an exception, which is never raised outside it.

    `break_off` raises once at most, in the thread that runs the code, and only while the code is open. `run`
    catches the exception also where it closes the code. So the exception may fall between any two
    instructions.
    """

    def __init__(self) -> None:
        self.requested: CutShort | None = None
        """The first exception that was requested."""
        self.shielded = False
        """True while a part runs that is not broken off."""
        self._runs_in = (0, 0)
        self._open = False
        self._sent = False
        self._lock = threading.RLock()  # a signal handler may need it while its own thread holds it

    def run(self, body: Callable[[], object]) -> CutShort | None:
        """Run the code. Returns the exception that broke it off or kept it from running; None if it ended."""
        try:
            try:
                self._runs_in = _here()
                self._open = True
                if self.requested is not None:
                    return self.requested
                body()
            finally:
                self._close()
        except CutShort as error:
            return self.requested or error
        return None

    def shield(self, body: Callable[[], T]) -> T:
        """Run a part of the code to its end. An exception that is requested meanwhile is raised after it.

        Only the thread of the code is broken off. In any other thread this only runs the body.
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
        """Raise the exception in the code if it runs; else keep the code from running. From any thread."""
        with self._lock:
            if self.requested is None:
                self.requested = error
            if self._open and not self._is_here():
                self._wake(type(self.requested))
        self.deliver()

    def deliver(self) -> None:
        """Raise the exception that was requested, if this is the thread of the code and the code is open."""
        with self._lock:
            due = self.requested if self._open and self._is_here() else None
            if due is not None:
                self._open = False
        if due is not None:
            raise due

    def _wake(self, error: type[CutShort]) -> None:
        """Make the thread of the code raise it. The lock is held, so the code stays open meanwhile."""
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
    """Make Python raise it in that thread. None cancels an exception that has not been raised yet."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)
