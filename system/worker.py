"""The worker: lease, start, handle, commit, finish, for ever. One transaction each.

The handler runs between transactions, with no lock held. It writes its effect through `Context`, and the
effect becomes durable in the transaction that commits the job, or not at all.
"""

from collections.abc import Callable
from typing import Any

from system.clock import Clock
from system.queue import Lease, Queue, to_json
from system.store import Job, StoreBusy


class Released(BaseException):
    """Raised in a handler that is told to let go of its job; the job goes back to the queue."""


class Context:
    """What a handler holds besides its job: a way to write its effect, and to ask for more time."""

    def __init__(self, queue: Queue, lease: Lease) -> None:
        self._queue = queue
        self._execution_id = lease.execution.id
        self.attempt = lease.execution.attempt
        self.value: object = None
        self._written = False

    def write(self, value: object) -> None:
        """Set the job's effect, any JSON value. Raises InvalidJob, or RuntimeError if called twice."""
        if self._written:
            raise RuntimeError("a job has one effect, and this handler has written it already")
        to_json(value)
        self.value = value
        self._written = True

    def heartbeat(self) -> bool:
        """Extend the lease. False when it is gone: someone else may have the job, so stop working."""
        return self._queue.heartbeat(self._execution_id)


Handler = Callable[[Job, Context], Any]


class Worker:
    """Runs a handler on one job after another."""

    def __init__(
        self, queue: Queue, handler: Handler, *, name: str, clock: Clock, poll_seconds: float = 0.5
    ) -> None:
        self.name = name
        self._queue = queue
        self._handler = handler
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._stopping = False

    def stop(self) -> None:
        """Ask the worker to stop once it has finished the job in hand."""
        self._stopping = True

    def run(self) -> None:
        """Work until `stop` is called."""
        while not self._stopping:
            if not self.run_once() and not self._stopping:
                self._clock.sleep(self._poll_seconds)

    def run_once(self) -> bool:
        """Work on one job, if there is one. Returns whether there was."""
        try:
            lease = self._queue.lease(self.name)
        except StoreBusy:
            return False
        if lease is None:
            return False
        execution_id = lease.execution.id
        if self._persist(lambda: self._queue.start(execution_id)):
            self._handle(lease)
        return True

    def _handle(self, lease: Lease) -> None:
        execution_id = lease.execution.id
        context = Context(self._queue, lease)
        try:
            self._handler(lease.job, context)
        except (Exception, Released) as error:
            detail = _describe(error)
            self._persist(lambda: self._queue.fail(execution_id, detail=detail))
            return
        if self._persist(lambda: self._queue.commit(execution_id, context.value)):
            self._persist(lambda: self._queue.finish(execution_id))

    def _persist(self, operation: Callable[[], bool]) -> bool:
        """Run one operation, again for as long as the store is busy. It is fenced, so late is not wrong."""
        while True:
            try:
                return operation()
            except StoreBusy:
                self._clock.sleep(self._poll_seconds)


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text[:2000].encode("ascii", "backslashreplace").decode("ascii")
