"""The command `work`: each of its settings reaches the worker and its queue."""

import signal
from contextlib import closing
from types import FrameType

import pytest

from system.clock import ManualClock
from system.policies import Retry
from system.queue import Queue
from system.store import Breaker, Store
from tests.system.commands import call, fine, refused
from tests.system.databases import Database

pytestmark = pytest.mark.usefixtures("folder")


def at(store: Store, event: str) -> int:
    """When that event happened, the last time."""
    return [row.at for row in store.audit() if row.event == event][-1]


def abandon(database: Database, *, jobs: int = 1, committed: bool = False) -> None:
    """Leave leases behind that ran out long ago."""
    with closing(database.open(clock=ManualClock(), create=True)) as store:
        queue = Queue(store=store)
        for number in range(jobs):
            queue.enqueue(number)
            lease = queue.lease("dead")
            assert lease is not None
            if committed:
                assert queue.start(lease.execution)
                assert queue.commit(lease.execution, 1)


def test_the_lease_lasts_as_long_as_is_said(opened: Store) -> None:
    """The row of the execution has the end of a lease that began when it was leased."""
    fine("enqueue", "1")
    fine("work", "handlers:echo", "--once", "--lease-seconds", "7.5")
    [execution] = opened.executions()
    assert execution.lease_expires_at - at(opened, "leased") == 7_500


def test_the_jitter_is_that_of_the_seed(opened: Store) -> None:
    """A job whose handler failed waits a part of its backoff that only this seed gives."""
    fine("enqueue", "1")
    fine("work", "handlers:fail", "--once", "--jitter-seed", "7")
    [execution], [job] = opened.executions(), opened.jobs()
    wait_ms = Retry(jitter_seed=7).wait_ms(execution)
    assert job.available_at == at(opened, "failed") + wait_ms
    assert wait_ms not in (Retry().wait_ms(execution), Retry(jitter_seed=0).wait_ms(execution))


def test_retries_have_the_budget_that_is_said(opened: Store, database: Database) -> None:
    """Of four jobs that were leased before, two are tried again; the others when the window is over."""
    abandon(database, jobs=4)
    limits = ("--retries-max", "2", "--window-seconds")
    fine("work", "handlers:echo", "--drain", *limits, "3600")
    assert opened.counts().succeeded == 2
    assert at(opened, "exhausted") == opened.retries()[-1]
    for _ in range(20):  # until a window of a millisecond is over
        fine("work", "handlers:echo", "--once", *limits, "0.001")
    assert opened.counts().succeeded == 4


def test_the_breaker_opens_as_is_said(opened: Store) -> None:
    """At the second failure in a row, for as long as is said; the third job is not leased."""
    for number in range(3):
        fine("enqueue", str(number))
    fine("work", "handlers:fail", "--drain", "--failures-max", "2", "--open-seconds", "7.5")
    opened_at = at(opened, "opened")
    assert opened.breaker() == Breaker(failures=2, open_until_at=opened_at + 7_500)
    assert len(opened.executions()) == 2


def test_by_default_there_are_no_limits(opened: Store, database: Database) -> None:
    """No retry is counted, no breaker is there, and the backoff is whole."""
    abandon(database, jobs=2)
    fine("work", "handlers:fail", "--drain")
    assert (opened.retries(), opened.breaker()) == ((), Breaker())
    assert [job.available_at for job in opened.jobs()][-1] == at(opened, "failed") + 2_000


@pytest.mark.parametrize("mode", ["--drain", "--once"])
def test_work_reconciles_by_itself(opened: Store, database: Database, mode: str) -> None:
    """What a dead worker committed is finished without a `reconcile`, by the worker of that name."""
    abandon(database, committed=True)
    fine("work", "handlers:echo", mode, "--name", "A")
    last = list(opened.audit())[-1]
    assert (last.actor, last.operation, last.event) == ("A", "reconcile", "finished")


def test_work_does_not_reconcile_when_told_not_to(opened: Store, database: Database) -> None:
    """0 seconds are never."""
    abandon(database, committed=True)
    fine("work", "handlers:echo", "--drain", "--reconcile-seconds", "0")
    assert opened.counts().abandoned == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--handler-seconds", "0"),
        ("--handler-seconds", "nan"),
        ("--grace-seconds", "0"),
        ("--reconcile-seconds", "-1"),
        ("--jitter-seed", "x"),
        ("--retries-max", "0"),
        ("--window-seconds", "0"),
        ("--failures-max", "0"),
        ("--open-seconds", "inf"),
    ],
)
def test_a_setting_without_sense_is_refused(opened: Store, option: str, value: str) -> None:
    """In one line that names the option, and no job is leased."""
    fine("enqueue", "1")
    assert f"'{option}'" in refused("work", "handlers:echo", "--drain", option, value)
    assert opened.executions() == ()


def test_the_help_says_what_all_workers_must_share_and_how_a_worker_ends() -> None:
    """The exit codes stand there, and that limits are the queue's."""
    text = " ".join(fine("work", "--help").split())
    assert "give every worker the same" in text
    assert "exit code 4" in text


def test_work_leaves_the_signal_handlers_as_they_were(opened: Store) -> None:
    """After `work` the process has the signal handlers that it had before, also when it ended in an error.

    The test sets handlers of its own, so that no earlier `work` can have left the same ones.
    """
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGURG)

    def mine(number: int, frame: FrameType | None) -> None:
        del number, frame

    before = [signal.signal(number, mine) for number in numbers]
    try:
        fine("work", "handlers:echo", "--drain")
        assert [signal.getsignal(number) for number in numbers] == [mine] * 3
        with opened.transaction():
            call("--busy-seconds", "0", "work", "handlers:echo", "--drain")
        assert [signal.getsignal(number) for number in numbers] == [mine] * 3
        fine("enqueue", "1")
        assert call("work", "handlers:interrupt", "--drain").exit_code == 1
        assert [signal.getsignal(number) for number in numbers] == [mine] * 3
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
