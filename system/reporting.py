"""What a worker reports while its store cannot be used: each cause once, and the end of it."""

import threading
from collections.abc import Callable
from typing import TypeVar

from system.store import StoreUnavailable

T = TypeVar("T")


class OutageReport:
    """The report of one worker. Its threads may use it side by side."""

    def __init__(self, name: str, tell: Callable[[str], object]) -> None:
        self._name = name
        self._tell = tell
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def answered(self, operation: Callable[[], T]) -> T:
        """Run an operation of the store. If it is the first that succeeds again, report that."""
        answer = operation()
        with self._lock:
            if self._told:
                self._told.clear()
                self._tell(f"worker {self._name} goes on")
        return answer

    def waits(self, error: StoreUnavailable) -> None:
        """Report why the worker waits, unless that has been reported."""
        with self._lock:
            if str(error) not in self._told:
                self._told.add(str(error))
                self._tell(f"worker {self._name} waits: {error}")
