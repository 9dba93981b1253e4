"""What a seam knows of the process that it steps, and which process runs now.

A seam asks `current()` at each call. Without a current process the call is not of a queue under test, and
the seam passes it on unchanged. A seam never keeps a process alive: after `dead` is true, each call through
the seam raises `Crashed`, so no `except` and no `finally` of the library has an effect.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from failure_modes.checker.simulation.stepping import Crashed


def never() -> bool:
    """False."""
    return False


class Stepped(Protocol):
    """The process, as a seam sees it. A virtual process and a real one both have these methods."""

    name: str
    dead: bool

    def pause(self, label: str) -> None:
        """Pause at a boundary, before the operation of this label. Raises Crashed if the process dies."""
        ...

    def block(self, label: str) -> None:
        """Pause because another process holds what the operation needs. Then the seam tries again."""
        ...

    def now(self) -> float:
        """The simulated time, in seconds since 1970."""
        ...

    def sleep(self, seconds: float, until: Callable[[], bool] = never) -> None:
        """Let simulated time pass, and pause; but at most until another thread has made this true."""
        ...

    def random_bytes(self, size: int) -> bytes:
        """Bytes that depend on the name of the process, and on how many were drawn before."""
        ...

    def at_death(self, release: Callable[[], None]) -> None:
        """Call this when the process dies: it releases what the operating system would release."""
        ...


class Seam(Protocol):
    """One seam. `installed` is entered when a run begins, and left when the run ends."""

    def installed(self) -> AbstractContextManager[object]:
        """Replace the functions of the module, until the block ends."""
        ...


@runtime_checkable
class SettlingSeam(Protocol):
    """A seam to a server, which works by itself after a move."""

    def settle(self, place: Path, *, waiting: bool, died: str | None) -> None:
        """Wait until the server has done what the last move let it do.

        `waiting`: some process waits for a lock; `died`: the process that the move killed.
        """
        ...


@runtime_checkable
class ServedSeam(Protocol):
    """A seam to a server that is simulated: real processes need the real one."""

    def served(self, place: Path) -> AbstractContextManager[object]:
        """Inside, the real server runs, for the processes of the run in this folder."""
        ...

    def age(self, place: Path, milliseconds: int) -> None:
        """Let so much time pass for what the real server holds."""
        ...


_running: list[Stepped] = []


def current() -> Stepped | None:
    """The process that runs now; None while the checker itself runs."""
    return _running[-1] if _running else None


def alive() -> Stepped | None:
    """The process that runs now. Raises Crashed if it is dead."""
    process = current()
    if process is not None and process.dead:
        raise Crashed
    return process


@contextmanager
def running(process: Stepped) -> Iterator[None]:
    """Inside, this process runs."""
    _running.append(process)
    try:
        yield
    finally:
        _running.pop()


@contextmanager
def outside() -> Iterator[None]:
    """Inside, the checker runs: no call is stepped."""
    kept = _running[:]
    _running.clear()
    try:
        yield
    finally:
        _running[:] = kept
