"""SIGINT and SIGTERM ask a command to stop. A second one ends it at once.

Python raises its own KeyboardInterrupt between any two instructions. In a virtual process it would run
`except` and `finally` blocks that no schedule asked for, and the search would report a false violation. So a
signal is only noted here. The command checks for it where no work is incomplete: between two examples, two
rounds or two answers.

This module imports very little: `__main__` calls `listen` before it imports the rest.
"""

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

CHECK_EVERY_SECONDS = 0.1
"""The time between two checks for a signal while a command waits for something else."""

_SHOW_CURSOR = b"\x1b[?25h"
_received: list[int] = []


def listen() -> None:
    """Note both signals from now on. A signal that was ignored when this process started stays ignored."""
    atexit.register(_ignore)  # registered first, so called last
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def listening() -> bool:
    """True if signals are noted here, and Python raises no KeyboardInterrupt."""
    return _note in [signal.getsignal(number) for number in SIGNALS]


def received() -> bool:
    """True if a signal asked this process to stop."""
    return bool(_received)


def check() -> None:
    """Raise KeyboardInterrupt if a signal asked this process to stop."""
    if _received:
        raise KeyboardInterrupt


def exit_code() -> int:
    """The exit code of an interrupted command, as in a shell: 128 plus the number of the signal."""
    return 128 + (_received[0] if _received else signal.SIGINT)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Receive both signals after the block. A process that is started in the block never receives them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore() -> None:
    """Ignore both signals: the command is done, and a signal must not change its exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    if _received:
        _leave_at_once(number)
    _received.append(number)


def _leave_at_once(number: int) -> None:
    """End at once, without a clean-up. The children die, too; the next command removes the folders."""
    cursor = _SHOW_CURSOR if os.isatty(2) else b""
    with suppress(OSError):
        os.write(2, cursor + b"interrupted twice: stopped at once\n")
    os._exit(128 + number)
