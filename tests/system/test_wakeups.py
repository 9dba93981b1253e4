"""An idle worker: the server wakes it, a lost notice costs one poll, and nothing else depends on a notice."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
import pytest

from system.clock import ManualClock, Stopwatch, SystemClock
from system.postgresql import PostgreSQLStore, listening
from system.queue import Queue
from system.settings import SECONDS_MAX
from system.store import Job
from system.worker import Context, Worker

FOR_EVER_SECONDS = 60.0
"""A poll that no test waits for."""
SOON_SECONDS = 20.0
"""Time enough for a job on a busy machine."""
SHORT_SECONDS = 0.3


@pytest.fixture
def store(postgresql_dsn: str) -> Iterator[PostgreSQLStore]:
    """A store whose transactions notify."""
    with closing(PostgreSQLStore(postgresql_dsn, create=True)) as opened:
        yield opened


@contextmanager
def idle_worker(dsn: str, *, poll_seconds: float) -> Iterator[threading.Event]:
    """A worker that found no job and waits. The event is set once it has handled one."""
    handled, looked = threading.Event(), threading.Event()

    def handle(_: Job, context: Context) -> None:
        context.write(1)
        handled.set()

    with closing(PostgreSQLStore(dsn)) as store:
        wakeups = store.wakeups()

        class Seen:
            """The wakeups of the store. The second wait is the first that lasts."""

            waits = 0

            def wait(self, seconds: float) -> None:
                self.waits += 1
                if self.waits > 1:
                    looked.set()
                wakeups.wait(seconds)

            def working(self) -> None:
                wakeups.working()

            def close(self) -> None:
                wakeups.close()

        worker = Worker(
            Queue(store=store),
            handle,
            name="A",
            clock=SystemClock(),
            poll_seconds=poll_seconds,
            wakeups=Seen(),
        )
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            assert looked.wait(SOON_SECONDS)
            yield handled
        finally:
            worker.stop()
            with closing(PostgreSQLStore(dsn)) as other:
                while thread.is_alive():
                    Queue(store=other).enqueue("the last one")
                    thread.join(SHORT_SECONDS)


def delivers(postgresql_dsn: str, *, notifies: bool, poll_seconds: float, within: float) -> bool:
    """True if an idle worker handles a job that is enqueued, within so many seconds."""
    with (
        closing(PostgreSQLStore(postgresql_dsn, notifies=notifies)) as producer,
        idle_worker(postgresql_dsn, poll_seconds=poll_seconds) as handled,
    ):
        Queue(store=producer).enqueue(1)
        return handled.wait(within)


def test_a_notice_wakes_an_idle_worker(store: PostgreSQLStore, postgresql_dsn: str) -> None:
    """A worker that polls each minute handles a job at once."""
    del store
    assert delivers(postgresql_dsn, notifies=True, poll_seconds=FOR_EVER_SECONDS, within=SOON_SECONDS)


def test_a_lost_notice_costs_one_poll(store: PostgreSQLStore, postgresql_dsn: str) -> None:
    """Without a notice the next poll finds the job."""
    del store
    assert delivers(postgresql_dsn, notifies=False, poll_seconds=SHORT_SECONDS, within=SOON_SECONDS)


def test_without_notice_and_poll_the_check_fails(store: PostgreSQLStore, postgresql_dsn: str) -> None:
    """The check of the two tests above can fail: nobody finds the job if both ways are broken."""
    del store
    assert not delivers(postgresql_dsn, notifies=False, poll_seconds=FOR_EVER_SECONDS, within=SHORT_SECONDS)


def seconds_of(wakeups_wait: object) -> float:
    """The seconds of a wait for a minute at most."""
    stopwatch = Stopwatch()
    wakeups_wait(FOR_EVER_SECONDS)  # type: ignore[operator]
    return stopwatch.seconds


def test_only_a_new_job_gives_a_notice(store: PostgreSQLStore) -> None:
    """A first wait begins to listen, and ends at once. A second one ends at a notice, however long it may be.

    No notice comes from a job that exists already, nor from a transaction that is rolled back.
    """
    queue = Queue(store=store)
    queue.enqueue(1, key="k")
    with closing(store.wakeups()) as wakeups:
        assert seconds_of(wakeups.wait) < SOON_SECONDS, "it only begins to listen"
        queue.enqueue(1, key="k")
        with suppress(ZeroDivisionError), store.transaction() as tx:
            tx.add_job(key=None, payload_json="1", attempts_max=1)
            raise ZeroDivisionError
        stopwatch = Stopwatch()
        wakeups.wait(SHORT_SECONDS)
        assert stopwatch.seconds >= SHORT_SECONDS, "nothing woke it"
        queue.enqueue(2)
        wakeups.wait(SECONDS_MAX)


def test_a_worker_that_works_is_not_told(store: PostgreSQLStore) -> None:
    """Nothing piles up meanwhile: the server knows no listener, until the worker waits again."""
    count = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE query LIKE 'LISTEN%'"
    queue = Queue(store=store)
    with closing(store.wakeups()) as wakeups, psycopg.connect(store._dsn, autocommit=True) as control:  # noqa: SLF001
        wakeups.wait(FOR_EVER_SECONDS)
        assert control.execute(count).fetchall() == [(1,)]
        wakeups.working()
        assert control.execute(count).fetchall() == [(0,)]
        queue.enqueue(1)
        wakeups.wait(FOR_EVER_SECONDS)
        stopwatch = Stopwatch()
        wakeups.wait(SHORT_SECONDS)
        assert stopwatch.seconds >= SHORT_SECONDS, "the notice of before was given to nobody"


def test_a_broken_connection_leaves_the_poll(postgresql_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait whose connection is ended waits by the clock. After a while the worker listens again."""
    passed = [0.0]
    monkeypatch.setattr(listening, "monotonic", lambda: passed[0])
    clock = ManualClock()
    with (
        closing(PostgreSQLStore(postgresql_dsn, create=True, clock=clock)) as store,
        closing(store.wakeups()) as wakeups,
        psycopg.connect(postgresql_dsn, autocommit=True) as control,
    ):
        wakeups.wait(FOR_EVER_SECONDS)
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        assert control.execute(ended).fetchall() == [(True,)]
        while not clock.now():  # the last words of the server wake it once
            wakeups.wait(2.0)
        wakeups.wait(2.0)
        assert clock.now() == 4_000, "it does not try again at once"
        passed[0] = listening.TRIES_AFTER_SECONDS
        wakeups.wait(2.0)
        Queue(store=store).enqueue(1)
        assert seconds_of(wakeups.wait) < SOON_SECONDS
        assert clock.now() == 4_000


def test_a_server_that_is_gone_leaves_the_poll(postgresql_dsn: str) -> None:
    """A wait that cannot connect waits by the clock, and raises nothing."""
    clock = ManualClock()
    with closing(PostgreSQLStore(postgresql_dsn, create=True, clock=clock)) as store:
        store._dsn = "postgresql:///none?host=/nowhere"  # noqa: SLF001 (an address at which no server is)
        store.wakeups().wait(2.0)
    assert clock.now() == 2_000
