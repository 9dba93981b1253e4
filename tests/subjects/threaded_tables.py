"""Two home-made tables whose worker has two threads: one with a fault between them, and one that is right.

The job that a thread has taken is kept in the worker, which both threads share. So the first thread to
finish deletes the job of the other one, which is still at work. If the process dies then, that job is lost.
The right worker keeps the job in its thread.
"""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from failure_modes.checker.simulation.foreign import ForeignContext, JobFailed
from tests.subjects.tables import RightTable

THREADS = 2


class RightThreads(RightTable):
    """A thread deletes the job that it has run itself."""

    name = "a table with two threads"
    seams = ("sqlite", "threads")
    takes_ahead = True

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open a connection. A thread opens its own."""
        return self._connect(place), process, place

    def drain(self, session: Any) -> None:
        """Let two threads work until there is no job."""
        worker = SimpleNamespace()
        threads = [threading.Thread(target=self.work, args=(worker, session)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def work(self, worker: Any, session: Any) -> None:
        """Claim, run and delete jobs until there is none."""
        connection = self.connection_of(session)
        while (taken := self.take(connection, time.time())) is not None:
            worker.taken = taken
            try:
                session[1].handle(taken[0])
                self.delete(connection, *self.own(worker, taken))
            except JobFailed:
                self.finish(connection, *self.own(worker, taken), "waiting")

    def connection_of(self, session: Any) -> Any:
        """The connection of a thread."""
        return self._connect(session[2])

    def own(self, worker: Any, taken: tuple[str, int]) -> tuple[str, int]:
        """The job of this thread, and its claim on it."""
        del worker
        return taken

    def delete(self, connection: Any, key: str, claim: int) -> None:
        """Delete a job that is done, if the claim is still ours."""
        connection.execute("DELETE FROM job WHERE key = ? AND claim = ?", (key, claim))


class SharedJob(RightThreads):
    """A thread deletes the job that the worker took last."""

    name = "a table with two threads that share a variable"

    def own(self, worker: Any, taken: tuple[str, int]) -> tuple[str, int]:
        """The job that is in the variable of the worker."""
        del taken
        found: tuple[str, int] = worker.taken
        return found


class OneConnection(RightThreads):
    """The threads use the connection of the main thread, which SQLite refuses."""

    name = "a table with two threads and one connection"

    def connection_of(self, session: Any) -> Any:
        """The connection that the process has opened."""
        return session[0]


RIGHT, SHARED, ONE_CONNECTION = RightThreads(), SharedJob(), OneConnection()
