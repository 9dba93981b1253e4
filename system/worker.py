"""The worker: lease, start, handle, commit, finish, for ever. One transaction each.

The handler runs between transactions, with no lock held. It writes its effect through `Context`, and the
effect becomes durable in the transaction that commits the job, or not at all.

A handler may fork. What it forks is no worker: a process that comes back from the handler and is not the
one that called it ends there, and writes nothing.
"""

import inspect
import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from system.clock import Clock
from system.output import escaped, one_line
from system.policies.lease import Lease
from system.queue import Queue, to_json
from system.settings import check_seconds
from system.store import Job, StoreBusy, StoreUnavailable

T = TypeVar("T")
Persist = Callable[[Callable[[], bool]], bool]
"""Runs an operation, again for as long as the store cannot be used."""


class Released(BaseException):
    """Raised in a handler that is told to let go of its job; the job goes back to the queue."""


class Breakable:
    """Code that a signal handler may break off by an exception, which is never raised outside it.

    `break_off` raises at most once, and only while the code is open; the exception is caught around the
    place that closes it. So it does not matter between which two instructions the signal falls.
    """

    def __init__(self) -> None:
        self.asked = False
        self._open = False

    def run(self, body: Callable[[], object]) -> bool:
        """Run it. False when it was broken off, or was asked to be before it began."""
        try:
            try:
                self._open = True
                if self.asked:
                    return False
                body()
            finally:
                self._open = False
        except Released:
            return False
        return True

    def shield(self, body: Callable[[], T]) -> T:
        """Run a part of it whole; if asked meanwhile, break off after it."""
        was_open, self._open = self._open, False
        try:
            return body()
        finally:
            self._open = was_open
            if self.asked:
                self.break_off()

    def break_off(self) -> None:
        """Raise Released if it runs, else keep it from running. For a signal handler of its own thread."""
        self.asked = True
        if self._open:
            self._open = False
            raise Released("told to let go of the job")


class Context:
    """What a handler holds besides its job: a way to write its effect, and to ask for more time."""

    def __init__(self, queue: Queue, lease: Lease, handling: Breakable, persist: Persist) -> None:
        self._queue = queue
        self._handling = handling
        self._persist = persist
        self._lease = lease
        self._written: str | None = None
        self.attempt = lease.execution.attempt

    @property
    def idempotency_key(self) -> str:
        """What to give another system with a request, so that it does once what every attempt asks for."""
        return self._queue.external_key(self._lease)

    @property
    def effect(self) -> str:
        """The effect as JSON text; `null` when the handler wrote none."""
        return "null" if self._written is None else self._written

    def write(self, value: object) -> None:
        """Set the job's effect, any JSON value. Raises InvalidJob, or RuntimeError if called twice."""
        if self._written is not None:
            raise RuntimeError("a job has one effect, and this handler has written it already")
        self._written = to_json(value)

    def heartbeat(self) -> bool:
        """Extend the lease. False when it is gone: someone else may have the job, so stop working."""
        held = self._lease.execution
        return self._handling.shield(lambda: self._persist(lambda: self._queue.heartbeat(held)))


Handler = Callable[[Job, Context], Any]


class Worker:
    """Runs a handler on one job after another.

    While the store cannot be used it tries again, and `tell` is told why, once, and when it is over.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        *,
        name: str,
        clock: Clock,
        poll_seconds: float = 0.5,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        check_seconds("poll_seconds", poll_seconds)
        self.name = name
        self._tell = tell
        self._told: set[str] = set()
        self._queue = queue
        self._handler = handler
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._stopping = False
        self._handling = Breakable()
        self._resting = Breakable()

    def stop(self) -> None:
        """Ask the worker to stop once it has finished the job in hand."""
        self._stopping = True

    def interrupt(self) -> None:
        """As `stop`, for a signal handler of the worker's own thread. A second call releases the job.

        A worker that waits for a job stops waiting. The second call raises Released in the handler that
        is running, and nowhere else; one that has not begun does not begin.
        """
        self._stopping = True
        if self._resting.asked:
            self._handling.break_off()
        else:
            self._resting.break_off()

    def run(self) -> None:
        """Work until `stop` is called."""
        while not self._stopping:
            if not self.run_once() and not self._stopping:
                self._resting.run(lambda: self._clock.sleep(self._poll_seconds))

    def drain(self, jobs_max: int | None = None) -> None:
        """Work until no job can be leased, or so many were, or `stop` is called. Raises StoreError."""
        done = 0
        while not self._stopping and done != jobs_max and self._work_on_one():
            done += 1

    def run_once(self) -> bool:
        """Work on one job, if there is one. Returns whether there was."""
        try:
            return self._work_on_one()
        except StoreUnavailable as error:
            self._waits(error)
            return False

    def _work_on_one(self) -> bool:
        lease = self._heard(lambda: self._queue.lease(self.name))
        if lease is None:
            return False
        if self._persist(lambda: self._queue.start(lease.execution)):
            self._handle(lease)
        return True

    def _handle(self, lease: Lease) -> None:
        execution = lease.execution
        context = Context(self._queue, lease, self._handling, self._persist)
        process = os.getpid()
        whole = True
        try:
            whole = self._handling.run(lambda: _called(self._handler, lease.job, context))
            failure = None if whole else "Released: told to let go of the job"
        except BaseException as error:  # a handler that calls sys.exit has failed, too
            if isinstance(error, KeyboardInterrupt) and os.getpid() == process:
                raise
            failure = describe(error)
        if os.getpid() != process:
            _leave(failure)
        if failure is not None:
            detail = failure
            self._persist(lambda: self._queue.fail(execution, detail=detail, by_handler=whole))
        elif self._persist(lambda: self._queue.commit_json(execution, context.effect), or_unheard=True):
            self._persist(lambda: self._queue.finish(execution))  # refused if there was no commit

    def _persist(self, operation: Callable[[], bool], *, or_unheard: bool = False) -> bool:
        """Run one operation, again while the store cannot be used. It is fenced, so late is not wrong.

        A worker that was told to let go of its job does not insist. Raises StoreUnavailable then.
        `or_unheard`: True as well when a repetition is refused, for it may have been done the first time.
        """
        unheard = False
        while True:
            try:
                return self._heard(operation) or (or_unheard and unheard)
            except StoreUnavailable as error:
                self._waits(error)
                if self._handling.asked:
                    raise
                unheard = unheard or not isinstance(error, StoreBusy)
                self._clock.sleep(self._poll_seconds)

    def _heard(self, operation: Callable[[], T]) -> T:
        answer = operation()
        if self._told:
            self._told.clear()
            self._tell(f"worker {self.name} goes on")
        return answer

    def _waits(self, error: StoreUnavailable) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            self._tell(f"worker {self.name} waits: {error}")


def _called(handler: Handler, job: Job, context: Context) -> None:
    answer = handler(job, context)
    if inspect.isawaitable(answer) or inspect.isgenerator(answer) or inspect.isasyncgen(answer):
        raise TypeError(f"the handler did not run: it gave back {type(answer).__name__}, not a result")


def _leave(failure: str | None) -> NoReturn:
    """End a process that a handler forked. What it has from its parent, the store too, is not its own."""
    try:
        if failure is not None:
            os.write(2, f"a process that the handler forked has failed: {one_line(failure)}\n".encode())
    finally:
        os._exit(0 if failure is None else 1)


def describe(error: BaseException) -> str:
    """Its type and its text, of which 2,000 characters at most; its type alone if it has no text.

    What is not printable ASCII is an escape: not every database keeps a null byte.
    """
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # its __str__ raises
        text = type(error).__name__
    return escaped(text[:2000]).encode("ascii", "backslashreplace").decode("ascii")
