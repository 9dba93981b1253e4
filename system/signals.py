"""How signals reach a worker, and how they end a process that a handler forked."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from system.breaking import WAKE, Waker
from system.worker import Worker

_TOLD: list[object] = []
"""What a signal calls, while there is a worker to tell."""
_HELD = threading.local()
"""Whether this thread, which forks, held SIGTERM back before."""


@contextmanager
def interrupting(worker: Worker) -> Iterator[None]:
    """Let SIGTERM and SIGINT interrupt the worker, until the end of the block; and as `breaking_off`.

    A process that a handler forked is no worker: SIGTERM ends it, or who has forked it waits for ever.
    """
    process = os.getpid()

    def told(_: int, __: object) -> None:
        if os.getpid() == process:
            worker.interrupt()

    with breaking_off(worker), _handled(told, signal.SIGTERM, signal.SIGINT):
        _TOLD.append(told)
        try:
            yield
        finally:
            _TOLD.remove(told)


@contextmanager
def breaking_off(worker: Worker) -> Iterator[None]:
    """Let the worker break off a handler that waits in a call, until the end of the block.

    It takes SIGURG, which wakes the main thread, and no other signal. Only the main thread may use it.
    """
    with _handled(Waker(process=os.getpid(), deliver=worker.deliver), WAKE):
        yield


@contextmanager
def _handled(handler: Callable[[int, Any], object], *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _hold() -> None:
    """Python forgets a signal that reaches a process while it is being forked, so hold SIGTERM back."""
    if _TOLD:
        _HELD.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))


def _let_go() -> None:
    """Let it come."""
    before = getattr(_HELD, "before", None)
    if before is not None:
        _HELD.before = None
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_go_in_child() -> None:
    """Let it come, and end this process: a function of ours is not called while it waits for a lock."""
    if signal.getsignal(signal.SIGTERM) in _TOLD:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_go()


os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go_in_child)
