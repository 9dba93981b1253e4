"""The worker: lease, start, handle, commit, finish, for ever. One transaction each.

The handler runs between transactions, with no lock held. It writes its effect through `Context`, and the
effect becomes durable in the transaction that commits the job, or not at all.
"""

from collections.abc import Callable

from system.breaking import Breakable, LeaseLost, Released, TimedOut
from system.calling import call, describe
from system.clock import Clock, monotonic
from system.context import Context, Handler
from system.policies.lease import Lease
from system.queue import Queue
from system.reporting import OutageReport
from system.settings import check_seconds
from system.store import StoreBusy, StoreError, StoreUnavailable
from system.watching import Watch

__all__ = ["Context", "Handler", "LeaseLost", "Released", "TimedOut", "Worker", "describe"]

GRACE_SECONDS = 5.0
"""The default time for a handler that ran past its limit to end."""


class Worker:
    """Runs a handler on one job after another.

    While the store cannot be used, the worker tries again. It logs the cause once, and the end of it.

    - `handler_seconds`: a handler that runs for longer is broken off by TimedOut, and its attempt fails. If
      it has not ended `grace_seconds` later, **the process ends**, with exit code 4. None: no limit.
    - `ends_if_held`: with `handler_seconds`, the process also ends if a C function holds the interpreter, so
      that nothing in Python can run; with a traceback and exit code 44 (1 where there is no Linux). It
      takes the one timer of `faulthandler`, and signal 44.
    - `watch`: a handler whose lease is gone is broken off by LeaseLost. With `handler_seconds` it always is.
    - `reconcile_seconds`: the worker reconciles so often, between jobs. None: never.
    - `log`: takes each line that the worker has to say.

    In the main thread, run the worker inside `system.signals.breaking_off` or `interrupting`: then a call in
    which the handler waits is broken off, too. Otherwise, and in other threads, the call must return first.
    """

    def __init__(
        self,
        queue: Queue,
        handler: Handler,
        *,
        name: str,
        clock: Clock,
        poll_seconds: float = 0.5,
        handler_seconds: float | None = None,
        grace_seconds: float = GRACE_SECONDS,
        ends_if_held: bool = False,
        watch: bool = False,
        reconcile_seconds: float | None = None,
        log: Callable[[str], object] = lambda _: None,
    ) -> None:
        check_seconds("poll_seconds", poll_seconds)
        if reconcile_seconds is not None:
            check_seconds("reconcile_seconds", reconcile_seconds)
        self.name = name
        self._log = log
        self._queue = queue
        self._handler = handler
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._reconcile_seconds = reconcile_seconds
        self._reconciled_at: float | None = None
        self._report = OutageReport(name, log)
        self._stopping = False
        self._releasing = False
        self._handling = Breakable()
        self._resting = Breakable()
        self._watch: Watch | None = None
        if watch or handler_seconds is not None:
            self._watch = Watch(
                queue,
                name=name,
                handler_seconds=handler_seconds,
                grace_seconds=grace_seconds,
                poll_seconds=poll_seconds,
                ends_if_held=ends_if_held,
            )

    def stop(self) -> None:
        """Ask the worker to stop once it has finished the current job."""
        self._stopping = True

    def interrupt(self) -> None:
        """As `stop`, and at once if the worker waits for a job. A second call releases the job.

        The second call raises Released in the handler that is running, and nowhere else. A handler that has
        not begun does not begin. Call this from a signal handler, or from any thread.
        """
        self._stopping = True
        if self._resting.requested is None:
            self._resting.break_off(Released("the worker was interrupted"))
        else:
            self._releasing = True
            self._release(self._handling)

    def deliver(self) -> None:
        """Raise the exception that was requested, if its code runs in this thread. For a signal handler."""
        self._resting.deliver()
        self._handling.deliver()

    def run(self) -> None:
        """Work until `stop` is called."""
        try:
            while not self._stopping:
                if not self.run_once() and not self._stopping:
                    self._resting.run(lambda: self._clock.sleep(self._poll_seconds))
        finally:
            self._close()

    def drain(self, jobs_max: int | None = None) -> None:
        """Work until no job can be leased, `jobs_max` were leased, or `stop` is called. Raises StoreError."""
        done = 0
        try:
            while not self._stopping and done != jobs_max and self._work_on_one():
                done += 1
        finally:
            self._close()

    def run_once(self) -> bool:
        """Work on one job. False if there is none."""
        try:
            return self._work_on_one()
        except StoreUnavailable as error:
            self._report.waits(error)
            return False

    def _close(self) -> None:
        if self._watch:
            self._watch.close()

    def _work_on_one(self) -> bool:
        if self._reconcile_seconds is not None:
            self._reconcile(self._reconcile_seconds)
        lease = self._report.answered(lambda: self._queue.lease(self.name))
        if lease is None:
            return False
        if self._persist(lambda: self._queue.start(lease.execution)):
            self._handle(lease)
        return True

    def _reconcile(self, every_seconds: float) -> None:
        """Reconcile, one batch, if it is time for it."""
        now = monotonic()
        if self._reconciled_at is None or now - self._reconciled_at >= every_seconds:
            self._reconciled_at = now
            try:
                self._report.answered(lambda: self._queue.reconcile(actor=self.name))
            except StoreBusy as error:  # there is a next time, and meanwhile there may be jobs to work on
                self._report.waits(error)

    def _handle(self, lease: Lease) -> None:
        handling = self._handling = Breakable()
        if self._releasing:
            self._release(handling)
        extended = self._watch.extended if self._watch else lambda: None
        context = Context(self._queue, lease, handling, self._persist, extended)
        if self._watch:
            self._watch.begin(lease, handling)
        cause: BaseException | None
        try:
            cause = handling.run(lambda: call(self._handler, lease.job, context))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit in a handler is a failure, too
            cause = error
        finally:
            if self._watch:
                self._watch.end()
            effect = context.end()
        if isinstance(handling.requested, TimedOut | LeaseLost):  # even if the handler caught it
            cause = handling.requested
        if cause is None:
            self._commit(lease, effect)
        elif cause is handling.requested and isinstance(cause, LeaseLost):
            number, attempt = lease.job.id, lease.execution.attempt
            self._log(f"worker {self.name}: job {number}, attempt {attempt}: {cause}; nothing of it is kept")
        else:
            self._fail(lease, cause)

    def _release(self, handling: Breakable) -> None:
        handling.break_off(Released("the worker was interrupted"))

    def _commit(self, lease: Lease, effect: str) -> None:
        held = lease.execution
        try:
            committed = self._persist(lambda: self._queue.commit_json(held, effect), or_ambiguous=True)
        except StoreUnavailable:
            raise
        except StoreError as error:  # the store cannot keep this effect, or cannot be used at all
            self._fail_or_raise(lease, error)
            return
        if committed:
            self._persist(lambda: self._queue.finish(held))  # refused if there was no commit

    def _fail_or_raise(self, lease: Lease, error: StoreError) -> None:
        try:
            self._fail(lease, error)
        except StoreError:
            raise error from None

    def _fail(self, lease: Lease, cause: BaseException) -> None:
        detail, by_handler = describe(cause), not isinstance(cause, Released)
        held = lease.execution
        self._persist(lambda: self._queue.fail(held, detail=detail, by_handler=by_handler))

    def _persist(self, operation: Callable[[], bool], *, or_ambiguous: bool = False) -> bool:
        """Run one operation, and repeat it while the store cannot be used. The fence refuses a late one.

        A worker that releases its job does not repeat it. Raises StoreUnavailable then. With `or_ambiguous`
        the result is True also if a repetition is refused: the first try may have committed without a reply.
        """
        ambiguous = False
        while True:
            try:
                done = self._handling.shield(lambda: self._tried(operation))
            except StoreUnavailable as error:
                if self._releasing:
                    raise
                ambiguous = ambiguous or not isinstance(error, StoreBusy)
                self._clock.sleep(self._poll_seconds)
            else:
                return done or (or_ambiguous and ambiguous)

    def _tried(self, operation: Callable[[], bool]) -> bool:
        try:
            return self._report.answered(operation)
        except StoreUnavailable as error:
            self._report.waits(error)
            raise
