"""SIGINT and SIGTERM ask a command to stop. A second one ends it at once.

Python's own KeyboardInterrupt falls between any two instructions. In a virtual process it would run `except`
and `finally` blocks that no schedule asked for, and the search would take what they do for a violation. So a
signal is only noted here, and the command looks where nothing is half done: between two examples, two rounds,
two answers.

This module imports next to nothing: `__main__` calls `listen` before it imports the rest.
"""

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LOOK_EVERY_SECONDS = 0.1
"""How often a command that waits for something else looks whether it was asked to stop."""

_SHOW_CURSOR = b"\x1b[?25h"
_received: list[int] = []


def listen() -> None:
    """From now on note both signals. A signal that this process was started to ignore stays ignored."""
    atexit.register(_ignore)  # the first to be registered is the last to be called
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
    """The exit code of a command that was interrupted, as shells count: 128 and the number of the signal."""
    return 128 + (_received[0] if _received else signal.SIGINT)


@contextmanager
def held_back() -> Iterator[None]:
    """Receive both signals after the block. A process that is started in the block never receives them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore() -> None:
    """All is done, and the exit code is to be what the command said, also while Python ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    if _received:
        _leave_at_once(number)
    _received.append(number)


def _leave_at_once(number: int) -> None:
    """End without any clean-up. The children end with this process; the next command removes its folders."""
    cursor = _SHOW_CURSOR if os.isatty(2) else b""
    with suppress(OSError):
        os.write(2, cursor + b"interrupted twice: stopped at once\n")
    os._exit(128 + number)
