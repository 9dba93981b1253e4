"""litequeue: `pop` takes a message, `done` ends it, and `retry` frees what `list_locked` shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litequeue import LiteQueue, MessageStatus

from failure_modes.checker import Adapter, Claim, ForeignContext, JobFailed, Status, Topic

STATUS = {
    MessageStatus.READY: Status.WAITING,
    MessageStatus.LOCKED: Status.RUNNING,
    MessageStatus.DONE: Status.DONE,
    MessageStatus.FAILED: Status.FAILED,
}
TAKE = "lock the message to avoid another process from getting it too"
PERSISTENT = "You can use this to implement a persistent queue."


class Litequeue(Adapter):
    """A worker pops and ends messages; housekeeping frees those that are locked for too long."""

    name = "litequeue"
    note = (
        "`retry` frees a message whatever its state is: also one that ended after `list_locked` had read. "
        'Version 0.13, for Python 3.12, has claims: "Integer claim IDs prevent stale workers from changing '
        'newer message claims" (README). It was not judged.'
    )
    claims = (
        Claim(
            topic=Topic.MULTI_PROCESS, promised=True, sentence=TAKE, where="litequeue.py, _pop_transaction"
        ),
        Claim(topic=Topic.KEEPS_JOBS, promised=True, sentence=PERSISTENT, where="README, Why?"),
        Claim(topic=Topic.KEEPS_WAITING, promised=True, sentence=PERSISTENT, where="README, Why?"),
    )

    def reset(self, place: Path) -> None:
        """Make the table."""
        LiteQueue(str(place / "queue.db")).close()

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the file."""
        return LiteQueue(str(place / "queue.db")), process

    def enqueue(self, session: Any, key: str) -> None:
        """Put a message."""
        session[0].put(key)

    def drain(self, session: Any) -> None:
        """Pop and end messages."""
        queue, process = session
        while (message := queue.pop()) is not None:
            try:
                process.handle(message.data)
                queue.done(message.message_id)
            except JobFailed:
                queue.mark_failed(message.message_id)

    def housekeep(self, session: Any) -> None:
        """Free what is locked for longer than the lease."""
        for message in list(session[0].list_locked(int(self.lease_seconds))):
            session[0].retry(message.message_id)

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table."""
        queue = LiteQueue(str(place / "queue.db"))
        rows = queue.conn.execute("SELECT data, status FROM Queue").fetchall()
        queue.close()
        return {data: STATUS[MessageStatus(status)] for data, status in rows}


LITEQUEUE = Litequeue()
