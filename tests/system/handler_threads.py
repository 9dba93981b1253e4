"""Threads in tests, and what comes of them."""

import threading
from collections.abc import Callable

PATIENCE_SECONDS = 60


class Beating(threading.Thread):
    """A thread, as a handler may start it, and what came of it."""

    def __init__(self, body: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._body = body
        self.came: list[object] = []

    def run(self) -> None:
        """Run the body, and keep what it returns or raises."""
        try:
            self.came.append(self._body())
        except BaseException as error:
            self.came.append(error)

    def ended(self) -> list[object]:
        """What came of it, at its end."""
        self.join(PATIENCE_SECONDS)
        return self.came
