"""The seam of time: a library reads the clock of the run, and its sleeps let that clock go on.

`time-machine` changes `time.time`, `datetime.now` and the like for the whole process while a run lasts. It
leaves `time.monotonic` and `time.sleep`; these are replaced here, for the processes of the queue alone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import current
from failure_modes.checker.support.errors import NotInstalled

_MONOTONIC, _MONOTONIC_NS, _SLEEP = time.monotonic, time.monotonic_ns, time.sleep


class ClockSeam:
    """Replaces the time of the process by the time of the run."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._travel: Any = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the time until the block ends."""
        try:
            import time_machine
        except ImportError:
            raise NotInstalled(
                "the checker of other queues needs time-machine: pip install 'reliability-habits[judge]'"
            ) from None
        functions: dict[Any, Callable[..., Any]] = {
            _MONOTONIC: _monotonic,
            _MONOTONIC_NS: _monotonic_ns,
            _SLEEP: _sleep,
        }
        with time_machine.travel(self._now(), tick=False) as travel, replaced(functions):
            self._travel = travel
            yield
        self._travel = None

    def moved(self) -> None:
        """Follow the clock of the run, which has moved."""
        if self._travel is not None:
            self._travel.move_to(self._now())


def _monotonic() -> float:
    process = current()
    return _MONOTONIC() if process is None else process.now()


def _monotonic_ns() -> int:
    process = current()
    return _MONOTONIC_NS() if process is None else round(process.now() * 1e9)


def _sleep(seconds: float, /) -> None:
    process = current()
    if process is None:
        _SLEEP(seconds)
    else:
        process.sleep(seconds)
