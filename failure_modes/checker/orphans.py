"""A process that was started for a run ends when the one that started it is gone, however it went."""

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """From now on the kernel kills this process with its parent, even if it is stopped. On Linux only.

    A parent that is gone already is told by its number, or by `multiprocessing` where that began this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    begun_by = multiprocessing.parent_process()
    if (parent is not None and os.getppid() != parent) or (begun_by is not None and not begun_by.is_alive()):
        os._exit(1)


def sigterm_as_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that what it started is ended by it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
