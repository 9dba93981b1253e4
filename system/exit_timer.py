"""Ends a process in which no Python can run, because a C function holds the interpreter.

- The timer writes the traceback of each thread to stderr (`faulthandler`, which needs no interpreter).
- On Linux a timer of the kernel then sends the process a real-time signal whose handler is `_exit` of the C
  library. `_exit` gets the number of the signal, so the process ends with exit code `EXIT_HELD`.
- Elsewhere `faulthandler` ends the process, with exit code 1.
- The timer takes no SIGALRM, so the alarms of a handler are its own. A process has one timer.
"""

import ctypes
import faulthandler
import os
import sys
from functools import cache

EXIT_HELD = 44
"""The exit code of such a process; it is the number of the signal, which no program uses by default."""
CLOCK_MONOTONIC = 1
"""The number of the clock in `timer_create`."""
TRACEBACK_SECONDS = 0.5
"""The time between the traceback and the end of the process."""


class _Sigevent(ctypes.Structure):
    """`struct sigevent` of Linux: 64 bytes, of which only these fields are used."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _KernelTimer:
    """A timer of the kernel (`timer_create`) that ends the process with exit code `EXIT_HELD`."""

    def __init__(self) -> None:
        """Raises OSError or AttributeError if the C library has no such timer."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        self._libc.signal.restype = ctypes.c_void_p
        self._timer = ctypes.c_void_p()
        event = _Sigevent(signal=EXIT_HELD, notify=0)
        if self._libc.timer_create(CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "timer_create")
        self._libc.signal(EXIT_HELD, ctypes.cast(self._libc["_exit"], ctypes.c_void_p))

    def set(self, seconds: float) -> None:
        """End the process after `seconds`; 0 stops the timer."""
        whole = int(seconds)
        value = _Timespec(seconds=whole, nanoseconds=int((seconds - whole) * 1_000_000_000))
        self._libc.timer_settime(self._timer, 0, ctypes.byref(_Timerspec(value=value)), None)


@cache
def _kernel_timer(_process: int) -> _KernelTimer | None:
    """The kernel's timer of a process, or None where there is none. A forked process needs its own."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        return _KernelTimer()
    except (OSError, AttributeError):
        return None


def set_exit_timer(seconds: float) -> None:
    """End the process after `seconds`, in place of the time that was set before."""
    timer = _kernel_timer(os.getpid())
    faulthandler.dump_traceback_later(seconds, exit=timer is None, file=2)
    if timer is not None:
        timer.set(seconds + TRACEBACK_SECONDS)


def cancel_exit_timer() -> None:
    """Stop the timer."""
    if (timer := _kernel_timer(os.getpid())) is not None:
        timer.set(0)
    faulthandler.cancel_dump_traceback_later()
