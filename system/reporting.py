"""The reports of a worker while its store cannot be used: each cause once, and the end of it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from system.store import StoreUnavailable

T = TypeVar("T")


class OutageReport:
    """The report of one worker. Its threads may use it side by side."""

    def __init__(self, name: str, log: Callable[[str], object]) -> None:
        self._name = name
        self._log = log
        self._reported: set[str] = set()
        self._lock = threading.Lock()

    def answered(self, operation: Callable[[], T]) -> T:
        """Run an operation of the store. If it is the first that succeeds again, report the end."""
        answer = operation()
        with self._lock:
            if self._reported:
                self._reported.clear()
                self._log(f"worker {self._name} goes on")
        return answer

    def waits(self, error: StoreUnavailable) -> None:
        """Report why the worker waits, unless that has been reported."""
        with self._lock:
            if str(error) not in self._reported:
                self._reported.add(str(error))
                self._log(f"worker {self._name} waits: {error}")
