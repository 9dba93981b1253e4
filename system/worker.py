"""The worker: lease, start, handle, commit, finish, for ever.

`commit` has a transaction of its own. A fused worker finishes a job, and leases and starts the next, in one
transaction. So it waits for the disk twice a job; a worker that is not fused waits four times. If a worker
dies between the two, reconciliation finishes the job.

The handler runs between transactions, with no lock held. It writes its effect through `Context`, and the
effect becomes durable in the transaction that commits the job, or not at all.
"""

from collections.abc import Callable
from typing import TypeVar

from system.breaking import Breakable, LeaseLost, Released, TimedOut
from system.calling import call, describe
from system.clock import Clock, monotonic
from system.context import Context, Handler
from system.policies.lease import Lease
from system.queue import Queue
from system.reporting import OutageReport
from system.settings import check_seconds
from system.store import Execution, StoreBusy, StoreError, StoreUnavailable
from system.wakeups import Polling, Wakeups
from system.watching import Watch

__all__ = ["Context", "Handler", "LeaseLost", "Released", "TimedOut", "Worker", "describe"]

T = TypeVar("T")

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
    - `fused`: one transaction finishes a job, and leases and starts the next. Otherwise three do.
    - `watch`: a handler whose lease is gone is broken off by LeaseLost. With `handler_seconds` it always is.
    - `wakeups`: where the worker waits when no job is due, for `poll_seconds` at most. None: by the clock.
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
        fused: bool = True,
        watch: bool = False,
        wakeups: Wakeups | None = None,
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
        self._wakeups = wakeups or Polling(clock)
        self._fused = fused
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
                if not self._work_if_possible(None) and not self._stopping:
                    self._resting.run(lambda: self._wakeups.wait(self._poll_seconds))
        finally:
            self._close()

    def drain(self, jobs_max: int | None = None) -> None:
        """Work until no job can be leased, `jobs_max` were leased, or `stop` is called. Raises StoreError."""
        done = 0
        try:
            while not self._stopping and done != jobs_max:
                worked_on = self._work(None if jobs_max is None else jobs_max - done)
                if not worked_on:
                    break
                done += worked_on
        finally:
            self._close()

    def run_once(self) -> bool:
        """Work on one job. False if there is none."""
        return self._work_if_possible(1)

    def _work_if_possible(self, jobs_max: int | None) -> bool:
        try:
            return self._work(jobs_max) > 0
        except StoreUnavailable as error:
            self._report.waits(error)
            return False

    def _close(self) -> None:
        self._wakeups.close()
        if self._watch:
            self._watch.close()

    def _work(self, jobs_max: int | None) -> int:
        """Work on a job, and on those that the fused way gives next. Returns the number that was leased."""
        if self._reconcile_seconds is not None and self._is_time_to_reconcile(self._reconcile_seconds):
            self._reconcile()
        if not self._fused:
            return self._work_on_one()
        worked_on = 0
        lease = self._report.answered(lambda: self._queue.take_next(self.name))
        while lease is not None:
            worked_on += 1
            held = lease.execution if self._handle(lease) else None
            lease = None
            if held is not None:
                lease = self._next_after(held, is_last=worked_on == jobs_max)
        return worked_on

    def _next_after(self, committed: Execution, *, is_last: bool) -> Lease | None:
        """Finish that execution, and take the next job unless there is something else to do."""
        every = self._reconcile_seconds
        if is_last or self._stopping or (every is not None and self._is_time_to_reconcile(every)):
            self._persist(lambda: self._queue.finish(committed))
            return None
        left: list[Execution] = [committed]

        def take_next() -> Lease | None:
            finishing = left[0] if left else None
            return self._queue.take_next(self.name, finishing=finishing, finished=left.clear)

        return self._repeat(take_next)[0]

    def _work_on_one(self) -> int:
        lease = self._report.answered(lambda: self._queue.lease(self.name))
        if lease is None:
            return 0
        held = lease.execution
        if self._persist(lambda: self._queue.start(held)) and self._handle(lease):
            self._persist(lambda: self._queue.finish(held))
        return 1

    def _is_time_to_reconcile(self, every_seconds: float) -> bool:
        return self._reconciled_at is None or monotonic() - self._reconciled_at >= every_seconds

    def _reconcile(self) -> None:
        """Reconcile, one batch."""
        self._reconciled_at = monotonic()
        try:
            self._report.answered(lambda: self._queue.reconcile(actor=self.name))
        except StoreBusy as error:  # there is a next time, and meanwhile there may be jobs to work on
            self._report.waits(error)

    def _handle(self, lease: Lease) -> bool:
        """Run the handler, and commit or fail. True if its execution is to be finished."""
        handling = self._handling = Breakable()
        if self._releasing:
            self._release(handling)
        self._wakeups.working()
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
            return self._commit(lease, effect)
        if cause is handling.requested and isinstance(cause, LeaseLost):
            number, attempt = lease.job.id, lease.execution.attempt
            self._log(f"worker {self.name}: job {number}, attempt {attempt}: {cause}; nothing of it is kept")
        else:
            self._fail(lease, cause)
        return False

    def _release(self, handling: Breakable) -> None:
        handling.break_off(Released("the worker was interrupted"))

    def _commit(self, lease: Lease, effect: str) -> bool:
        held = lease.execution
        try:
            return self._persist(lambda: self._queue.commit_json(held, effect), or_ambiguous=True)
        except StoreUnavailable:
            raise
        except StoreError as error:  # the store cannot keep this effect, or cannot be used at all
            self._fail_or_raise(lease, error)
            return False

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

        With `or_ambiguous` the result is True also if a repetition is refused: the first try may have
        committed without a reply.
        """
        done, ambiguous = self._repeat(operation)
        return done or (or_ambiguous and ambiguous)

    def _repeat(self, operation: Callable[[], T]) -> tuple[T, bool]:
        """Run one operation, and repeat it while the store cannot be used. True if a try may have committed.

        A worker that releases its job does not repeat it. Raises StoreUnavailable then.
        """
        ambiguous = False
        while True:
            try:
                answer = self._handling.shield(lambda: self._tried(operation))
            except StoreUnavailable as error:
                if self._releasing:
                    raise
                ambiguous = ambiguous or not isinstance(error, StoreBusy)
                self._clock.sleep(self._poll_seconds)
            else:
                return answer, ambiguous

    def _tried(self, operation: Callable[[], T]) -> T:
        try:
            return self._report.answered(operation)
        except StoreUnavailable as error:
            self._report.waits(error)
            raise
