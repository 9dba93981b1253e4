"""persist-queue: the acknowledged queue and the plain queue, both on SQLite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persistqueue import Empty, FIFOSQLiteQueue, SQLiteAckQueue

from failure_modes.checker import Adapter, Claim, ForeignContext, JobFailed, Status, Topic

STATUS = {0: "waiting", 1: "waiting", 2: "running", 5: "done", 9: "failed"}
CLAIMS = (
    Claim(
        topic=Topic.MULTI_PROCESS,
        promised=False,
        sentence="multiprocessing is not supported and verified for both file and sqlite queues.",
        where="maintainer, https://github.com/peter-wangxu/persist-queue/issues/132",
    ),
    Claim(
        topic=Topic.KEEPS_JOBS,
        promised=True,
        sentence="queue implementations that survive process crashes and restarts",
        where="README",
        configuration="SQLiteAckQueue",
    ),
    Claim(
        topic=Topic.KEEPS_WAITING,
        promised=True,
        sentence="Each queued item is stored on disk to survive crashes",
        where="README, Key Features",
    ),
    Claim(
        topic=Topic.RECOVERY,
        promised=True,
        sentence="Recoverable: Items can be read after process restart",
        where="README, Key Features",
    ),
)


class AckQueue(Adapter):
    """`get`, then `ack`, or `nack` where the job failed. A new process resumes what was not acknowledged."""

    name = "persist-queue"
    configuration = "SQLiteAckQueue"
    claims = CLAIMS

    def reset(self, place: Path) -> None:
        """Make the table."""
        SQLiteAckQueue(str(place)).close()

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the queue, as a new process does: with auto_resume."""
        return SQLiteAckQueue(str(place), multithreading=True), process

    def enqueue(self, session: Any, key: str) -> None:
        """Put an item."""
        session[0].put(key)

    def drain(self, session: Any) -> None:
        """Get and acknowledge items."""
        queue, process = session
        while True:
            try:
                item = queue.get(block=False, raw=True)
            except Empty:
                return
            try:
                process.handle(item["data"])
                queue.ack(item)
            except JobFailed:
                queue.ack_failed(item)

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table."""
        queue = SQLiteAckQueue(str(place), auto_resume=False)
        rows = queue.queue()
        queue.close()
        return {row["data"]: Status(STATUS[row["status"]]) for row in rows}


class PlainQueue(AckQueue):
    """`get` with auto_commit, then the job: there is nothing to acknowledge."""

    configuration = "FIFOSQLiteQueue, auto_commit"

    def reset(self, place: Path) -> None:
        """Make the table."""
        FIFOSQLiteQueue(str(place), auto_commit=True).close()

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the queue."""
        return FIFOSQLiteQueue(str(place), multithreading=True, auto_commit=True), process

    def drain(self, session: Any) -> None:
        """Get items and do them."""
        queue, process = session
        while True:
            try:
                process.handle(queue.get(block=False))
            except Empty:
                return
            except JobFailed:
                continue

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table."""
        queue = FIFOSQLiteQueue(str(place), auto_commit=True)
        rows = queue.queue()
        queue.close()
        return {row["data"]: Status.WAITING for row in rows}


class DoneQueue(PlainQueue):
    """Without auto_commit: `get`, the job, then `task_done`, which deletes what was taken."""

    configuration = "FIFOSQLiteQueue, task_done"

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the queue."""
        return FIFOSQLiteQueue(str(place), multithreading=True, auto_commit=False), process

    def enqueue(self, session: Any, key: str) -> None:
        """Put an item, and persist it."""
        session[0].put(key)
        session[0].task_done()

    def drain(self, session: Any) -> None:
        """Get items, do them, and say that they are done."""
        queue, process = session
        while True:
            try:
                process.handle(queue.get(block=False))
            except Empty:
                return
            except JobFailed:
                pass
            queue.task_done()


ACK_QUEUE = AckQueue()
DONE_QUEUE = DoneQueue()
PLAIN_QUEUE = PlainQueue()
