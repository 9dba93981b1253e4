"""The worker: what it does with a handler that returns, raises, or takes its time."""

import asyncio
from collections.abc import Iterator

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.store import Job
from system.worker import Context, Handler, Released, Worker
from tests.system.databases import Database, holding


def worker(queue: Queue, handler: Handler, clock: ManualClock) -> Worker:
    """A worker named A."""
    return Worker(queue, handler, name="A", clock=clock)


def write(job: Job, context: Context) -> None:
    """A handler that does its work."""
    context.write(job.id)


def details(queue: Queue) -> list[str | None]:
    """What the audit says of each failed attempt."""
    return [row.detail for row in queue.store.audit() if row.event == "failed"]


def test_a_handler_that_raises_fails_its_attempt(queue: Queue, clock: ManualClock) -> None:
    """The exception is in the audit, in ASCII, and the worker goes on to the next job."""

    def handler(job: Job, context: Context) -> None:
        if job.payload == "bad":
            raise ValueError("caf\u00e9 \ud800")
        context.write(1)

    queue.enqueue("bad")
    queue.enqueue("good")
    worker(queue, handler, clock).drain()
    assert details(queue) == ["ValueError: caf\\xe9 \\ud800"]
    assert (queue.store.counts().pending, queue.store.counts().succeeded) == (1, 1)


def test_an_exception_that_cannot_be_shown_fails_the_attempt_too(queue: Queue, clock: ManualClock) -> None:
    """An exception whose text raises is told by its name."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def handler(*_: object) -> None:
        raise Mute

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    assert details(queue) == ["Mute"]


def test_an_effect_is_written_once(queue: Queue, clock: ManualClock) -> None:
    """A second `write` raises in the handler, and the attempt fails with no effect."""

    def handler(_: Job, context: Context) -> None:
        context.write(None)
        context.write(1)

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    assert details(queue) == ["RuntimeError: a job has one effect, and this handler has written it already"]
    assert queue.store.effects() == ()


def test_an_effect_that_is_not_json_fails_the_attempt(queue: Queue, clock: ManualClock) -> None:
    """`write` raises InvalidJob in the handler, before anything is committed."""
    queue.enqueue(1)
    worker(queue, lambda _, context: context.write({1, 2}), clock).run_once()
    assert details(queue) == ["InvalidJob: not JSON: Object of type set is not JSON serializable"]


def test_an_effect_is_what_it_was_when_it_was_written(queue: Queue, clock: ManualClock) -> None:
    """What a handler does to the object afterwards changes nothing."""

    def handler(_: Job, context: Context) -> None:
        value: dict[str, object] = {"a": 1}
        context.write(value)
        value["b"] = object()

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    assert [effect.value for effect in queue.store.effects()] == ['{"a":1}']


def test_every_attempt_at_a_job_has_the_same_key_for_others(queue: Queue, clock: ManualClock) -> None:
    """What a handler gives another system with its request tells jobs apart, and not attempts."""
    keys: list[tuple[int, int, str]] = []

    def handler(job: Job, context: Context) -> None:
        keys.append((job.id, context.attempt, context.idempotency_key))
        if context.attempt == 1:
            raise ValueError

    queue.enqueue("a")
    queue.enqueue("b")
    worker(queue, handler, clock).drain()
    clock.advance(1_000)
    worker(queue, handler, clock).drain()
    of_job = {job.id: f"job-{job.id}-{job.token}" for job in queue.store.jobs()}
    assert keys == [(number, attempt, of_job[number]) for attempt in (1, 2) for number in (1, 2)]


def test_a_handler_that_writes_nothing_has_the_effect_null(queue: Queue, clock: ManualClock) -> None:
    """A job that succeeded has an effect in any case."""
    queue.enqueue(1)
    worker(queue, lambda *_: None, clock).run_once()
    assert [effect.value for effect in queue.store.effects()] == ["null"]


def test_a_handler_learns_that_its_lease_is_gone(queue: Queue, clock: ManualClock) -> None:
    """`heartbeat` is True while the lease holds and False after, and the commit that follows is refused."""
    beats = []

    def handler(_: Job, context: Context) -> None:
        for wait in (29_999, 29_999, 30_000):
            clock.advance(wait)
            beats.append(context.heartbeat())

    queue.enqueue(1)
    worker(queue, handler, clock).run_once()
    assert beats == [True, True, False]
    assert [row.operation for row in queue.store.audit() if row.event == "refused"] == ["heartbeat", "commit"]


def test_a_worker_that_is_told_to_stop_finishes_the_job_in_hand(queue: Queue, clock: ManualClock) -> None:
    """After `stop` the job is committed and finished, and no other is leased."""

    def handler(*_: object) -> None:
        stopped.stop()

    queue.enqueue(1)
    queue.enqueue(2)
    stopped = worker(queue, handler, clock)
    stopped.run()
    assert (queue.store.counts().succeeded, queue.store.counts().pending) == (1, 1)


def test_a_worker_waits_only_when_there_is_nothing_to_do(queue: Queue) -> None:
    """It sleeps once it has found no job, for its poll time; here the clock tells it to stop then."""

    class Stopping(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            idle.stop()

    clock = Stopping()
    idle = Worker(queue, write, name="A", clock=clock, poll_seconds=0.25)
    queue.enqueue(1)
    idle.run()
    assert (queue.store.counts().succeeded, clock.now()) == (1, 250)


def test_drain_counts(queue: Queue, clock: ManualClock) -> None:
    """`drain` takes so many jobs, or all that can be leased now."""
    for number in range(5):
        queue.enqueue(number)
    worker(queue, write, clock).drain(2)
    assert queue.store.counts().succeeded == 2
    worker(queue, write, clock).drain()
    assert queue.store.counts().succeeded == 5


def test_a_busy_store_is_tried_again(queue: Queue, clock: ManualClock, database: Database) -> None:
    """What the job in hand has to persist is retried until the other process lets go of the job."""
    other = database.open(clock=clock)
    mine = database.open(clock=clock, busy_seconds=0)
    held = holding(other, 1)
    told: list[str] = []

    class Releasing(ManualClock):
        def sleep(self, _: float) -> None:
            held.__exit__(None, None, None)

    queue.enqueue(1)
    busy = Worker(
        Queue(store=mine), lambda *_: held.__enter__(), name="A", clock=Releasing(), log=told.append
    )
    busy.run_once()
    assert queue.store.counts().succeeded == 1
    assert [database.busy in line for line in told] == [True, False]
    other.close()
    mine.close()


def test_a_handler_may_release_its_job_itself(queue: Queue, clock: ManualClock) -> None:
    """Released, raised by the handler, gives the job back and does not end the worker."""

    def handler(*_: object) -> None:
        raise Released

    queue.enqueue(1)
    assert worker(queue, handler, clock).run_once()
    assert queue.store.counts().pending == 1


@pytest.mark.parametrize("error", [SystemExit(0), asyncio.CancelledError("gone")])
def test_a_handler_that_leaves_fails_its_attempt_and_not_the_worker(
    queue: Queue, clock: ManualClock, error: BaseException
) -> None:
    """`sys.exit` in a handler is a failed attempt on the record, and the next job is worked on."""

    def handler(job: Job, context: Context) -> None:
        if job.payload == 1:
            raise error
        context.write(2)

    queue.enqueue(1)
    queue.enqueue(2)
    worker(queue, handler, clock).drain()
    assert details(queue) == [f"{type(error).__name__}: {error}"]
    assert queue.store.counts().succeeded == 1


def test_a_handler_that_only_promises_to_run_has_failed(queue: Queue, clock: ManualClock) -> None:
    """What gives back a coroutine or a generator has not run: the job is not taken for done."""

    def generator(*_: object) -> Iterator[int]:
        yield 1

    queue.enqueue(1)
    worker(queue, generator, clock).run_once()
    assert details(queue) == ["TypeError: the handler did not run: it gave back generator, not a result"]


def test_a_job_is_started_once_and_not_committed_before(queue: Queue) -> None:
    """The public operations keep to the table: LEASED, then IN_PROGRESS, then COMMITTED."""
    queue.enqueue(1)
    lease = queue.lease("A")
    assert lease is not None
    assert not queue.commit(lease.execution, 1)
    assert queue.start(lease.execution)
    assert not queue.start(lease.execution)
    assert queue.commit(lease.execution, 1)
    reasons = [row.reason for row in queue.store.audit() if row.event == "refused"]
    assert reasons == ["not_started", "already_started"]
