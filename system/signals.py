"""Signals: they reach a worker, and end a process that a handler forked."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from system.breaking import WAKE, Waker
from system.worker import Worker

_INTERRUPTERS: list[object] = []
"""The functions that a signal calls, while there are workers to interrupt."""
_BLOCKED = threading.local()
"""The signals that this thread, which forks, had blocked before."""


@contextmanager
def interrupting(worker: Worker) -> Iterator[None]:
    """Let SIGTERM and SIGINT interrupt the worker, until the end of the block; and as `breaking_off`.

    A process that a handler forked is no worker: SIGTERM ends it, or its parent would wait for ever.
    """
    process = os.getpid()

    def interrupt(_: int, __: object) -> None:
        if os.getpid() == process:
            worker.interrupt()

    with breaking_off(worker), _handled(interrupt, signal.SIGTERM, signal.SIGINT):
        _INTERRUPTERS.append(interrupt)
        try:
            yield
        finally:
            _INTERRUPTERS.remove(interrupt)


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


def _block() -> None:
    """Block SIGTERM: Python forgets a signal that reaches a process while it is being forked."""
    if _INTERRUPTERS:
        _BLOCKED.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))


def _unblock() -> None:
    """Unblock SIGTERM."""
    before = getattr(_BLOCKED, "before", None)
    if before is not None:
        _BLOCKED.before = None
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unblock_in_child() -> None:
    """Unblock SIGTERM, and let it end this process even while it waits for a lock."""
    if signal.getsignal(signal.SIGTERM) in _INTERRUPTERS:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _unblock()


os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_unblock_in_child)
