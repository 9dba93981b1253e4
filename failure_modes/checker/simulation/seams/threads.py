"""The seam of threads: the threads of a process take turns, and its waits let simulated time pass.

`threading.Thread` starts a thread of its process (`foreign_threads.py`). A lock is made by this seam, so
`Condition`, `Event`, `Semaphore`, `Barrier`, `queue.Queue` and `concurrent.futures`, which are made of
locks, wait as it does; `time.sleep` and `join` wait so, too. `threading.local`, `get_ident` and
`current_thread` are those of the thread.

- A thread goes on until its next boundary or until it waits. What two threads do to one variable between
  boundaries is not mixed.
- A lock that a module made when it was imported is a real one. No thread may wait for it.
- An error that ends a thread is not printed.
- SQLite does not see that two threads use one connection; in a real process it does.
"""

import _queue
import _thread
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from failure_modes.checker.simulation.foreign import ForeignContext
from failure_modes.checker.simulation.foreign_threads import ProcessThread
from failure_modes.checker.simulation.seams.patching import replaced, replaced_methods
from failure_modes.checker.simulation.seams.stepped import current
from failure_modes.checker.support.errors import SubjectError

_ALLOCATE_LOCK, _RLOCK, _GET_IDENT = _thread.allocate_lock, _thread.RLock, _thread.get_ident
_LOCK, _CURRENT_THREAD, _SIMPLE_QUEUE = threading.Lock, threading.current_thread, _queue.SimpleQueue
_PURE_RLOCK: Any = cast(Any, threading)._PyRLock  # noqa: SLF001 (the one that is made of a lock)
_PURE_SIMPLE_QUEUE: Any = cast(Any, queue)._PySimpleQueue  # noqa: SLF001
_OUTSIDE = object()
"""What holds a lock while no process runs."""


class ThreadsSeam:
    """Replaces how threads, locks and queues are made."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace them until the block ends."""
        functions: dict[Any, Callable[..., Any]] = {
            _ALLOCATE_LOCK: _in_process(_Lock, _ALLOCATE_LOCK),
            _LOCK: _in_process(_Lock, _ALLOCATE_LOCK),
            _RLOCK: _in_process(_PURE_RLOCK, _RLOCK),
            _SIMPLE_QUEUE: _in_process(_PURE_SIMPLE_QUEUE, _SIMPLE_QUEUE),
            _GET_IDENT: _get_ident,
            _CURRENT_THREAD: _current_thread,
        }
        methods: dict[tuple[type, str], Callable[[Any], Callable[..., Any]]] = {
            (threading.Thread, "start"): _start,
            (threading.Thread, "join"): _join,
            (threading.Thread, "is_alive"): _is_alive,
        }
        with replaced(functions), replaced_methods(methods):
            yield


def _process() -> ForeignContext | None:
    process = current()
    return process if isinstance(process, ForeignContext) else None


def _in_process(ours: Callable[[], Any], original: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: original() if _process() is None else ours()


class _Lock:
    """A lock. Each process has its own state of it, as each has its own memory."""

    def __init__(self) -> None:
        self._holder: object = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, or wait until it is free."""
        process = _process()
        owner = process or _OUTSIDE
        if self._holder is owner and blocking and timeout:
            if process is None:
                raise SubjectError("the checker waits for a lock that was made in a process")
            process.threads.wait(lambda: self._holder is not owner, None if timeout < 0 else timeout)
        if self._holder is owner:
            return False
        self._holder = owner
        return True

    def release(self) -> None:
        """Free the lock."""
        if self._holder is None:
            raise RuntimeError("release unlocked lock")
        self._holder = None

    def locked(self) -> bool:
        """True if a thread of this process has it."""
        return self._holder is (_process() or _OUTSIDE)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _at_fork_reinit(self) -> None:
        self._holder = None


def _now() -> ProcessThread | None:
    """The thread that runs now; None if it is a main thread."""
    process = _process()
    return None if process is None or process.threads.current.thread is None else process.threads.current


def _get_ident() -> int:
    thread = _now()
    return _GET_IDENT() if thread is None else thread.ident


def _current_thread() -> Any:
    thread = _now()
    return _CURRENT_THREAD() if thread is None else thread.thread


def _started(thread: threading.Thread) -> ProcessThread | None:
    process = _process()
    return None if process is None else process.threads.of(thread)


def _start(original: Any) -> Callable[..., Any]:
    def start(thread: Any) -> None:
        process = _process()
        if process is None:
            original(thread)
        elif thread.ident is not None:
            raise RuntimeError("threads can only be started once")
        else:
            ident = process.threads.start(thread).ident
            thread._started.set()  # noqa: SLF001
            vars(thread).update(_ident=ident, _is_stopped=True)  # outside of the process it is no thread

    return start


def _join(original: Any) -> Callable[..., Any]:
    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        joined = _started(thread)
        if joined is None:
            original(thread, timeout)
        elif joined is _now():
            raise RuntimeError("cannot join current thread")
        elif not joined.ended:
            cast(ForeignContext, _process()).threads.wait(lambda: joined.ended, timeout)

    return join


def _is_alive(original: Any) -> Callable[..., Any]:
    def is_alive(thread: threading.Thread) -> bool:
        started = _started(thread)
        return bool(original(thread)) if started is None else not started.ended

    return is_alive
