"""Watches the current attempt of a worker, from a thread beside it.

- A handler that runs for too long is broken off with `TimedOut`. If it cannot be broken off, its failure is
  recorded in the store and the process ends: one job must not take every worker.
- A handler whose lease is gone is broken off with `LeaseLost`. Only the store knows whether a lease is gone.
  The thread asks it when the lease has run out by the clock of this process.

While a C function holds the interpreter no thread runs, and no exception is raised. For this case there is
another timer (`system.exit_timer`): it ends the process without Python, with an exit code of its own.

The thread starts when it is first needed, and ends when it had nothing to watch for a while. It never runs in
a process that a handler forked: such a process does not come back from its handler.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import NoReturn

from attrs import define

from system.breaking import WAKE, Breakable, LeaseLost, TimedOut
from system.calling import describe
from system.clock import monotonic
from system.exit_timer import cancel_exit_timer, set_exit_timer
from system.output import one_line
from system.policies.lease import Lease
from system.queue import Queue
from system.settings import check_seconds
from system.store import StoreError, StoreUnavailable

EXIT_STUCK = 4
"""The exit code of a process that ends because its handler could not be broken off."""
LAST_WORDS_SECONDS = 5.0
"""The time for such a process to record the failure, and again to write why it ends."""
IDLE_SECONDS = 60.0
"""The thread waits so long for another attempt before it ends."""


@define(kw_only=True)
class _Watched:
    """An attempt, and the time to look at it again, by `monotonic`."""

    lease: Lease
    handling: Breakable
    lease_ends_at: float
    times_out_at: float = inf
    gives_up_at: float | None = None
    """The time at which the process ends; None until the handler has timed out."""
    ended: bool = False
    """True once the handler has ended. The worker sets it without the lock, which the store may hold up."""

    @property
    def next_at(self) -> float:
        """The time at which there is something to do."""
        if self.gives_up_at is not None:
            return self.gives_up_at
        return min(self.lease_ends_at, self.times_out_at)


class Watch:
    """Watches one attempt after another. Its lock is held while it acts, so after `end` it does nothing."""

    def __init__(
        self,
        queue: Queue,
        *,
        name: str,
        handler_seconds: float | None,
        grace_seconds: float,
        poll_seconds: float,
        ends_if_held: bool = False,
    ) -> None:
        """A handler that has run for `handler_seconds` has `grace_seconds` to end. None: no limit.

        `ends_if_held` asks for the timer of `system.exit_timer`, of which a process has only one.
        """
        if handler_seconds is not None:
            check_seconds("handler_seconds", handler_seconds)
        check_seconds("grace_seconds", grace_seconds)
        self._queue = queue
        self._name = name
        self._handler_seconds = inf if handler_seconds is None else handler_seconds
        self._grace_seconds = grace_seconds
        self._poll_seconds = poll_seconds
        self._has_timer = ends_if_held and handler_seconds is not None
        self._changed = threading.Condition()
        self._watched: _Watched | None = None
        self._thread: threading.Thread | None = None
        self._wakes_at = inf
        self._closed = False

    def begin(self, lease: Lease, handling: Breakable) -> None:
        """The handler is about to run."""
        self._set_timer(self._handler_seconds)
        now = monotonic()
        watched = _Watched(
            lease=lease,
            handling=handling,
            lease_ends_at=now + self._queue.lease_seconds,
            times_out_at=now + self._handler_seconds,
        )
        with self._changed:
            self._watched = watched
            self._closed = False
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=f"watch {self._name}", daemon=True)
                thread.start()
                self._thread = thread
            elif watched.next_at < self._wakes_at:
                self._changed.notify()

    def extended(self) -> None:
        """The lease was extended."""
        with self._changed:
            if self._watched is not None:
                self._watched.lease_ends_at = monotonic() + self._queue.lease_seconds

    def end(self) -> None:
        """The handler has ended. The timer stops at once, also while the thread waits for the store."""
        if self._watched is not None:
            self._watched.ended = True
        self._cancel_timer()
        with self._changed:
            self._watched = None
            self._cancel_timer()  # the thread may have set it between the two

    def _set_timer(self, seconds: float) -> None:
        """End the process after `seconds` and three times the grace, unless the thread cancels that."""
        if self._has_timer:
            set_exit_timer(seconds + 3 * self._grace_seconds)

    def _cancel_timer(self) -> None:
        if self._has_timer:
            cancel_exit_timer()

    def close(self) -> None:
        """The worker has ended, for now. The thread ends, too."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, WAKE))  # for the main thread
        with self._changed:
            try:
                self._loop()
            finally:
                self._thread = None

    def _loop(self) -> None:
        idle_until = monotonic() + IDLE_SECONDS
        while True:
            watched, now = self._watched, monotonic()
            if watched is None:
                if self._closed or idle_until <= now:
                    return
            elif watched.next_at <= now:
                self._act(watched, now)
                continue
            else:
                idle_until = now + IDLE_SECONDS
            self._wakes_at = idle_until if watched is None else watched.next_at
            self._changed.wait(min(self._wakes_at - now, threading.TIMEOUT_MAX))

    def _act(self, watched: _Watched, now: float) -> None:
        if watched.ended:
            watched.lease_ends_at = watched.times_out_at = inf
            watched.gives_up_at = None
            return
        if now < (watched.gives_up_at or watched.times_out_at):
            self._look_at_lease(watched)
            return
        if watched.gives_up_at is None:
            watched.handling.break_off(self._timed_out())
        elif not watched.handling.shielded:  # while it is, the handler waits for the store
            self._end_process(watched)
        watched.gives_up_at = now + self._grace_seconds
        self._set_timer(0)

    def _timed_out(self) -> TimedOut:
        return TimedOut(f"the handler ran for more than {self._handler_seconds:g} s")

    def _look_at_lease(self, watched: _Watched) -> None:
        try:
            left_seconds = self._left_seconds(watched.lease)
        except StoreUnavailable:  # the worker reports it, when it needs the store itself
            watched.lease_ends_at = monotonic() + self._poll_seconds
        except StoreError:
            watched.lease_ends_at = inf  # the worker meets the same error, and ends with it
        else:
            watched.lease_ends_at = monotonic() + left_seconds if left_seconds > 0 else inf
            if left_seconds <= 0:
                watched.handling.break_off(LeaseLost("the lease is gone"))

    def _left_seconds(self, lease: Lease) -> float:
        """The seconds for which the execution still holds its job, by the store's clock; 0 if it does not."""
        with self._queue.store.transaction() as tx:
            execution = tx.find_execution(lease.execution.id)
            if execution is None or execution.token != lease.execution.token:
                return 0.0
            if self._queue.policies.fence.refusal(execution, tx.now):
                return 0.0
            return (execution.lease_expires_at - tx.now) / 1000

    def _end_process(self, watched: _Watched) -> NoReturn:
        """Record the failure, write why the process ends, and end it, even if its threads are stuck."""
        try:
            self._cancel_timer()
            failed = _within(LAST_WORDS_SECONDS, lambda: self._fail(watched.lease))
            line = self._last_words(watched.lease, failed=failed)
            _within(LAST_WORDS_SECONDS, lambda: os.write(2, f"{one_line(line)}\n".encode()))
        finally:
            os._exit(EXIT_STUCK)

    def _fail(self, lease: Lease) -> None:
        self._queue.fail(lease.execution, detail=describe(self._timed_out()))

    def _last_words(self, lease: Lease, *, failed: bool) -> str:
        note = "" if failed else " The store has no record of it: the job comes back when its lease runs out."
        return (
            f"worker {self._name}: job {lease.job.id}, attempt {lease.execution.attempt}: {self._timed_out()}"
            f" and cannot be broken off, so this process ends, with exit code {EXIT_STUCK}.{note}"
        )


def _within(seconds: float, body: Callable[[], object]) -> bool:
    """Run it in a thread of its own, as a store may not answer and a pipe may be full. True if it ended."""
    done: list[bool] = []

    def run() -> None:
        with suppress(Exception):
            body()
            done.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(done)
