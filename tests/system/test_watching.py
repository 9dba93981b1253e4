"""A watched worker: handlers that run for too long, and handlers whose lease is gone."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from attrs import evolve

from system import watching
from system.audit import Reason
from system.breaking import Breakable
from system.clock import ManualClock
from system.policies import CircuitBreaker, Policies
from system.policies.lease import Lease
from system.queue import Queue
from system.settings import InvalidSetting
from system.signals import breaking_off
from system.store import Execution, Job, StoreUnavailable
from system.watching import Watch
from system.worker import Context, Handler, LeaseLost, TimedOut, Worker
from tests.system.handler_threads import PATIENCE_SECONDS, Beating
from tests.system.test_queue import leased
from tests.system.test_worker import details, write

LONG_SECONDS = 600.0
"""A grace that never ends here: these tests must not lose their process."""


def watched(queue: Queue, handler: Handler, clock: ManualClock, **settings: object) -> Worker:
    """A worker named A that watches its handlers."""
    given: dict[str, object] = {"watch": True, "grace_seconds": LONG_SECONDS} | settings
    return Worker(queue, handler, name="A", clock=clock, **given)  # type: ignore[arg-type]


def wait() -> None:
    """Wait in one call, for a long time."""
    threading.Event().wait(PATIENCE_SECONDS)


def wait_in_steps() -> None:
    """Wait in many calls."""
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 1000):
        pause.wait(0.001)


def is_watching() -> bool:
    """Whether this is a thread that watches the worker A."""
    return threading.current_thread().name == "watch A"


def test_a_handler_that_runs_too_long_fails_its_attempt(queue: Queue, clock: ManualClock) -> None:
    """Also where it waits in one call. `except Exception` does not keep it, and the next job is worked on."""

    def handler(job: Job, context: Context) -> None:
        if job.id == 1:
            with suppress(Exception):
                wait()
        context.write(job.id)

    queue.enqueue(1)
    queue.enqueue(2)
    timed = watched(queue, handler, clock, handler_seconds=0.25)
    with breaking_off(timed):
        timed.drain()
    assert details(queue) == ["TimedOut: the handler ran for more than 0.25 s"]
    assert [effect.value for effect in queue.store.effects()] == ["2"]


def test_a_worker_in_another_thread_is_watched_too(queue: Queue, clock: ManualClock) -> None:
    """There the exception comes as soon as the call in which the handler waits has returned."""
    queue.enqueue(1)
    timed = watched(queue, lambda *_: wait_in_steps(), clock, handler_seconds=0.05)
    working = Beating(timed.run_once)
    working.start()
    assert working.ended() == [True]
    assert details(queue) == ["TimedOut: the handler ran for more than 0.05 s"]


def test_a_handler_that_swallows_the_exception_fails_all_the_same(queue: Queue, clock: ManualClock) -> None:
    """It has run for too long, and what it wrote is not kept."""

    def handler(_: Job, context: Context) -> None:
        with suppress(TimedOut):
            wait_in_steps()
        context.write("late")

    queue.enqueue(1)
    watched(queue, handler, clock, handler_seconds=0.05).run_once()
    assert details(queue) == ["TimedOut: the handler ran for more than 0.05 s"]
    assert queue.store.effects() == ()


def test_a_handler_that_runs_too_long_has_failed_for_the_breaker(queue: Queue, clock: ManualClock) -> None:
    """The circuit breaker counts it, as it counts a handler that raises."""
    queue = evolve(queue, policies=Policies(breaker=CircuitBreaker(failures_max=1)))
    queue.enqueue(1)
    watched(queue, lambda *_: wait_in_steps(), clock, handler_seconds=0.05).run_once()
    assert [row.event for row in queue.store.audit()][-2:] == ["failed", "opened"]


def test_a_handler_that_ends_in_time_is_let_be(queue: Queue, clock: ManualClock) -> None:
    """One thread watches all jobs of a worker, and ends with the worker."""
    before = set(threading.enumerate())
    seen: list[set[threading.Thread]] = []

    def handler(job: Job, context: Context) -> None:
        seen.append(set(threading.enumerate()) - before)
        write(job, context)

    for number in range(3):
        queue.enqueue(number)
    watched(queue, handler, clock, handler_seconds=LONG_SECONDS).drain()
    assert queue.store.counts().succeeded == 3
    assert seen == [seen[0]] * 3
    [watching] = seen[0]
    watching.join(PATIENCE_SECONDS)
    assert not watching.is_alive()


def test_by_default_there_is_no_other_thread(queue: Queue, clock: ManualClock) -> None:
    """A worker that is not asked to watch starts none."""
    before = threading.enumerate()
    seen: list[list[threading.Thread]] = []
    queue.enqueue(1)
    Worker(queue, lambda *_: seen.append(threading.enumerate()), name="A", clock=clock).run_once()
    assert seen == [before]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("handler_seconds", 0),
        ("handler_seconds", float("nan")),
        ("grace_seconds", 0),
        ("reconcile_seconds", -1),
    ],
)
def test_a_time_without_sense_is_refused(queue: Queue, clock: ManualClock, name: str, value: float) -> None:
    """It raises InvalidSetting where it is given."""
    with pytest.raises(InvalidSetting, match=f"{name}: .* is not a number of seconds"):
        watched(queue, write, clock, **{name: value})


def losing(
    queue: Queue, body: Callable[[Context], object], clock: ManualClock, **settings: object
) -> list[str]:
    """Two jobs: at the first attempt at the first its lease runs out. Returns what the worker told."""
    told: list[str] = []

    def handler(job: Job, context: Context) -> None:
        if (job.id, context.attempt) == (1, 1):
            clock.advance(100)
            body(context)
        context.write(context.attempt)

    queue = evolve(queue, lease_seconds=0.1)
    queue.enqueue(1)
    queue.enqueue(2)
    worker = watched(queue, handler, clock, log=told.append, **settings)
    with breaking_off(worker):
        worker.drain()
    return told


def check_lost(queue: Queue, told: list[str], refused: tuple[str, ...] = ()) -> None:
    """The first attempt was not committed and not failed, and the worker went on: all jobs are done."""
    assert told == ["worker A: job 1, attempt 1: the lease is gone; nothing of it is kept"]
    first = queue.store.executions()[0]
    rows = [row for row in queue.store.audit(job_id=1) if row.execution_id == first.id]
    assert [row.operation for row in rows if row.event == "refused"] == list(refused)
    assert [row.operation for row in rows if row.event != "refused"] == ["lease", "start", "lease"]
    assert [(effect.job_id, effect.value) for effect in queue.store.effects()] == [(1, "2"), (2, "1")]


def test_a_handler_whose_lease_is_gone_is_broken_off(queue: Queue, clock: ManualClock) -> None:
    """The worker says so, writes nothing for that attempt, and goes on with the next job."""
    check_lost(queue, losing(queue, lambda _: wait(), clock))


@pytest.mark.parametrize("error", [None, ValueError("its own")])
def test_whatever_a_handler_makes_of_it_the_lease_is_gone(
    queue: Queue, clock: ManualClock, error: Exception | None
) -> None:
    """A handler that swallows LeaseLost, or raises something else then: nothing is committed or failed."""

    def body(_: Context) -> None:
        try:
            wait()
        except LeaseLost:
            if error is not None:
                raise error from None

    check_lost(queue, losing(queue, body, clock))


def test_only_the_store_says_that_a_lease_is_gone(queue: Queue, clock: ManualClock) -> None:
    """A worker whose time runs faster than the store's asks, is told so, and lets its handler go on."""
    asked = threading.Semaphore(0)

    class Fence(type(queue.policies.fence)):  # type: ignore[misc]
        def refusal(self, execution: Execution, now: int) -> Reason | None:
            if is_watching():
                asked.release()
            reason: Reason | None = super().refusal(execution, now)
            return reason

    def handler(job: Job, context: Context) -> None:
        assert asked.acquire(timeout=PATIENCE_SECONDS)
        assert asked.acquire(timeout=PATIENCE_SECONDS)
        write(job, context)

    fast = evolve(queue, lease_seconds=0.05, policies=Policies(fence=Fence()))
    queue.enqueue(1)
    watched(fast, handler, clock).run_once()
    assert queue.store.counts().succeeded == 1


def test_a_store_that_cannot_say_is_asked_again(queue: Queue, clock: ManualClock) -> None:
    """While it cannot be used the handler goes on; when it can, and the lease is gone, it is broken off."""
    away = [StoreUnavailable("away"), StoreUnavailable("away")]

    class Fence(type(queue.policies.fence)):  # type: ignore[misc]
        def refusal(self, execution: Execution, now: int) -> Reason | None:
            if away and is_watching():
                raise away.pop()
            reason: Reason | None = super().refusal(execution, now)
            return reason

    later = evolve(queue, policies=Policies(fence=Fence()))
    check_lost(queue, losing(later, lambda _: wait(), clock, poll_seconds=0.01))
    assert away == []


def test_a_heartbeat_that_is_refused_does_not_hide_it(queue: Queue, clock: ManualClock) -> None:
    """A handler that beats in vain, and does not stop, is broken off as well."""

    def body(context: Context) -> None:
        assert not context.heartbeat()
        wait()

    check_lost(queue, losing(queue, body, clock), refused=("heartbeat",))


def test_a_handler_that_ends_while_the_store_does_not_answer_keeps_its_process(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer that would end the process stops at once, not when the thread has its answer."""
    asks, answers, stopped = threading.Event(), threading.Event(), threading.Event()

    def ask(_: Watch, __: Lease) -> float:
        asks.set()
        answers.wait(2 * PATIENCE_SECONDS)
        return 1.0

    monkeypatch.setattr(Watch, "_left_seconds", ask)
    monkeypatch.setattr(watching, "set_exit_timer", lambda _: stopped.clear())
    monkeypatch.setattr(watching, "cancel_exit_timer", stopped.set)
    watch = Watch(
        evolve(queue, lease_seconds=0.001),
        name="A",
        handler_seconds=LONG_SECONDS,
        grace_seconds=LONG_SECONDS,
        poll_seconds=1.0,
        ends_if_held=True,
    )
    queue.enqueue(1)
    watch.begin(leased(queue), Breakable())
    assert asks.wait(PATIENCE_SECONDS), "the thread asks the store for the lease"
    ending = threading.Thread(target=watch.end)
    ending.start()
    assert stopped.wait(PATIENCE_SECONDS), "the timer is stopped before the store has answered"
    assert not answers.is_set()
    answers.set()
    ending.join(PATIENCE_SECONDS)
    assert stopped.is_set()
    watch.close()
