"""What carries a thread of a process: a greenlet in a virtual process, a thread of the system in a real one.

Either way one thread runs at a time, and hands control to the next. A greenlet has the `threading.local`
values of its own thread, as a thread of the system has.
"""

import _thread
import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.seams.event_loop import without_event_loop
from failure_modes.checker.simulation.stepping import Crashed

_ALLOCATE_LOCK, _START_NEW_THREAD = _thread.allocate_lock, _thread.start_new_thread
_LOCAL = "thread.local."
"""The interpreter keeps the values of a `threading.local` under a key that begins so, for each thread."""

_thread_state = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_GetDict", ctypes.pythonapi))


class Carrier(ABC):
    """Carries one thread. It runs `run`; None for the main thread, which runs already."""

    @abstractmethod
    def __init__(self, run: Callable[[], None] | None) -> None: ...

    @abstractmethod
    def switch(self, other: Any) -> None:
        """Let the other one go on. Returns when this one may go on."""

    @abstractmethod
    def end(self, other: Any) -> None:
        """Let the other one go on. This one has nothing more to do, and must return at once."""

    @abstractmethod
    def kill(self) -> None:
        """Raise Crashed in the thread, until it has ended."""

    def outside(self, main: Any) -> AbstractContextManager[None]:
        """Inside, the world has control, with the values of each `threading.local` of the main thread."""
        del main
        return nullcontext()


class _Greenlet(greenlet):
    """A greenlet that gives control to any other one when it ends."""

    def end_with(self, other: greenlet) -> None:
        """Give control to this one at the end."""
        self.parent = other


class GreenletCarrier(Carrier):
    """Carries a thread of a virtual process."""

    def __init__(self, run: Callable[[], None] | None) -> None:
        self.values: dict[str, Any] = {}
        """The values of each `threading.local`, while this thread does not run."""
        self.inner = getcurrent() if run is None else _Greenlet(lambda *_: run(), parent=_root())

    def switch(self, other: "GreenletCarrier") -> None:
        """Switch to the greenlet of the other one."""
        self.inner = getcurrent()
        with without_event_loop():
            self.values = _swapped(other.values)
            other.inner.switch()

    def end(self, other: "GreenletCarrier") -> None:
        """A greenlet that ends gives control to its parent."""
        self._own().end_with(other.inner)
        _swapped(other.values)

    def kill(self) -> None:
        """Throw Crashed into the greenlet, if it has begun."""
        if self.inner:
            self._own().end_with(getcurrent())
            kept = _swapped(self.values)
            self.inner.throw(Crashed)
            _swapped(kept)

    def keep(self, values: dict[str, Any]) -> None:
        """Keep these values of each `threading.local` until the thread goes on."""
        self.values = values

    @contextmanager
    def outside(self, main: "GreenletCarrier") -> Iterator[None]:
        """Inside, each `threading.local` has the values of the main thread, which shares the world's."""
        self.values = _swapped(main.values)
        try:
            yield
        finally:
            main.keep(_swapped(self.values))

    def _own(self) -> _Greenlet:
        assert isinstance(self.inner, _Greenlet), "the main thread has the greenlet of its process"
        return self.inner


class SystemThreadCarrier(Carrier):
    """Carries a thread of a real process. It has a lock that is free when it may go on."""

    def __init__(self, run: Callable[[], None] | None) -> None:
        self.may_go_on = _ALLOCATE_LOCK()
        self.may_go_on.acquire()
        if run is not None:
            _START_NEW_THREAD(self._main, (run,))

    def switch(self, other: "SystemThreadCarrier") -> None:
        """Free the lock of the other one, and wait for this one."""
        other.may_go_on.release()
        self.may_go_on.acquire()

    def end(self, other: "SystemThreadCarrier") -> None:
        """Free the lock of the other one."""
        other.may_go_on.release()

    def kill(self) -> None:
        """SIGKILL ends the whole process."""

    def _main(self, run: Callable[[], None]) -> None:
        self.may_go_on.acquire()
        run()


def _root() -> greenlet:
    """The greenlet of the checker. A thread that has ended before it had another parent gives it control."""
    found = getcurrent()
    while found.parent is not None:
        found = found.parent
    return found


def _swapped(values: dict[str, Any]) -> dict[str, Any]:
    """Let each `threading.local` have these values. Returns those that it had."""
    state: dict[Any, Any] = ctypes.cast(_thread_state(), ctypes.py_object).value
    kept = {name: state.pop(name) for name in list(state) if str(name).startswith(_LOCAL)}
    state.update(values)
    return kept
