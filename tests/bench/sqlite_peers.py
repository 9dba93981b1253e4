"""The peers on SQLite, as durable as ours: WAL, and each commit waits for the disk. Loaded when they run."""

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from system.clock import SystemClock
from tests.bench.contender import Begin, Promises, sqlite_durability

Alone = tuple[sqlite3.Connection, Callable[[int], object], Callable[[], object]]
"""A connection; a call that enqueues a job on it; and one that takes a job and does it on it."""


class Huey:
    """Huey with its SQLite storage; its own worker loop; results are stored."""

    name: ClassVar[str] = "huey"
    database: ClassVar[str] = "SQLite"
    needs: ClassVar[tuple[str, ...]] = ("huey",)
    promises: ClassVar[Promises] = Promises(
        commits="3 (enqueue, dequeue, result)",
        acknowledged="before: the job is deleted when a worker takes it",
        redelivered="no: it is lost",
        effect="in the database, in a transaction after the work",
        once="not needed: no job is delivered twice",
        history="none",
    )
    done_sql: ClassVar[str] = "SELECT count(*) FROM kv"

    def _opened(self, target: str) -> tuple[Any, Any]:
        from huey import SqliteHuey

        huey = SqliteHuey("bench", filename=target, fsync=True, results=True)
        return huey, huey.task(name="task")(_task)

    def create(self, target: str) -> None:
        """Make an empty queue."""
        self._opened(target)

    def durability(self, target: str) -> str:
        """The settings of its own connection."""
        huey, _ = self._opened(target)
        return sqlite_durability(huey.storage.conn)

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs."""
        _, task = self._opened(target)
        begin()
        for number in range(jobs):
            task(number)

    def alone(self, target: str) -> Alone:
        """Producer and worker on one connection."""
        huey, task = self._opened(target)
        return huey.storage.conn, task, lambda: huey.execute(huey.dequeue())

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker."""
        del name  # its workers have none
        from huey.consumer import Worker

        huey, _ = self._opened(target)
        worker = Worker(huey, threading.Event(), default_delay=0.1, max_delay=10.0, backoff=1.15)
        worker.initialize()
        begin()
        if drain:
            while (task := huey.dequeue()) is not None:
                huey.execute(task)
        else:
            while True:
                worker.loop()


class LiteQueue:
    """Litequeue: a table with put, pop and done. The loop around them is the user's."""

    name: ClassVar[str] = "litequeue"
    database: ClassVar[str] = "SQLite"
    needs: ClassVar[tuple[str, ...]] = ("litequeue",)
    promises: ClassVar[Promises] = Promises(
        commits="3 (put, pop, done)",
        acknowledged="after",
        redelivered="by hand: `list_locked`, `retry`",
        effect="none",
        once="nothing: both workers are told that it is done",
        history="the times of put, pop and done",
    )
    done_sql: ClassVar[str] = "SELECT count(*) FROM Queue WHERE status = 2"

    def _opened(self, target: str) -> Any:
        from litequeue import LiteQueue

        queue = LiteQueue(target)
        queue.conn.execute("PRAGMA synchronous = FULL")
        return queue

    def create(self, target: str) -> None:
        """Make an empty queue."""
        self._opened(target)

    def durability(self, target: str) -> str:
        """The settings of its own connection."""
        return sqlite_durability(self._opened(target).conn)

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs."""
        queue = self._opened(target)
        begin()
        for number in range(jobs):
            until_free(lambda number=number: queue.put(str(number)))

    def alone(self, target: str) -> Alone:
        """Producer and worker on one connection."""
        queue = self._opened(target)
        return queue.conn, lambda job: queue.put(str(job)), lambda: queue.done(queue.pop().message_id)

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker."""
        del name  # its workers have none
        queue = self._opened(target)
        begin()
        while True:
            message = until_free(queue.pop)
            if message is not None:
                until_free(lambda message=message: queue.done(message.message_id))
            elif drain:
                return
            else:
                SystemClock().sleep(0.1)


def _task(number: int) -> int:
    del number
    return 1


def until_free(operation: Any) -> Any:
    """Run it, again when the database was locked for longer than SQLite waits."""
    while True:
        try:
            return operation()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
