"""A process that was started for a run ends when the one that started it is gone, however it went."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """From now on the kernel kills this process with its parent, even if it is stopped. On Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def sigterm_as_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does, so that what it started is ended by it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
