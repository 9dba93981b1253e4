"""Writes to PostgreSQL wait for the next statement: fewer round trips; the same rows, errors and order."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest

from system.clock import ManualClock
from system.policies.lease import Lease
from system.postgresql import PostgreSQLStore, connecting
from system.postgresql.transaction import in_one, table_written
from system.queue import Queue
from system.store import StoreError
from system.worker import Worker

JOBS = 3
STATEMENTS_A_JOB = 12
STATEMENTS_AN_ENQUEUE = 4


@pytest.fixture
def ran() -> list[str]:
    """The statements that ran."""
    return []


@pytest.fixture
def store(postgresql_dsn: str, ran: list[str]) -> Iterator[PostgreSQLStore]:
    """A store that notes its statements."""

    def connect(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
        connection = connecting(dsn)
        execute = connection.execute

        def noting(query: Any, *arguments: Any, **options: Any) -> Any:
            ran.append(str(query))
            return execute(query, *arguments, **options)

        connection.execute = noting  # type: ignore[method-assign]
        return connection

    with closing(
        PostgreSQLStore(postgresql_dsn, clock=ManualClock(), create=True, connect=connect)
    ) as opened:
        yield opened


def test_the_statements_of_a_job_are_few(store: PostgreSQLStore, ran: list[str]) -> None:
    """A fused worker sends 12 statements a job, of which two are a COMMIT; an enqueue sends 4."""
    queue = Queue(store=store)
    ran.clear()
    for number in range(JOBS + 1):
        queue.enqueue(number)
    assert len(ran) == STATEMENTS_AN_ENQUEUE * (JOBS + 1)
    worker = Worker(queue, lambda job, context: context.write(job.id), name="A", clock=ManualClock())
    ran.clear()
    worker.drain(JOBS + 1)
    of_all, commits = len(ran), ran.count("COMMIT")
    queue.enqueue("one more")
    ran.clear()
    worker.drain(1)
    assert of_all - len(ran) == STATEMENTS_A_JOB * JOBS
    assert commits - ran.count("COMMIT") == 2 * JOBS


def test_writes_to_one_table_keep_their_order(store: PostgreSQLStore, ran: list[str]) -> None:
    """A job that is written twice has the last value: one statement cannot change a row twice."""
    job = Queue(store=store).enqueue(1)
    with store.transaction() as tx:
        ran.clear()
        tx.set_available(job.id, 5)
        tx.set_available(job.id, 7)
    assert [sql.split()[0] for sql in ran] == ["UPDATE", "UPDATE", "COMMIT"]
    assert store.jobs()[0].available_at == 7


def test_a_read_sees_the_writes_before_it(store: PostgreSQLStore) -> None:
    """What waits is sent before each read."""
    job = Queue(store=store).enqueue(1)
    with store.transaction() as tx:
        tx.set_available(job.id, 5)
        assert tx.job(job.id).available_at == 5


def test_a_write_that_is_refused_raises_before_the_commit(store: PostgreSQLStore) -> None:
    """The transaction raises the error of a write that waited to its end, and keeps nothing."""
    queue = Queue(store=store)
    queue.enqueue(1)
    lease = queue.take_next("A")
    assert lease is not None
    assert queue.commit(lease.execution, 1)
    with pytest.raises(StoreError, match="a job has one effect"):
        _open_again(store, lease)
    assert store.jobs()[0].available_at is None
    assert [effect.value for effect in store.effects()] == ["1"]


def _open_again(store: PostgreSQLStore, lease: Lease) -> None:
    with store.transaction() as tx:
        tx.set_available(lease.job.id, 5)
        tx.add_effect(job_id=lease.job.id, execution_id=lease.execution.id, value="2")


def test_a_transaction_that_raises_sends_nothing_more(store: PostgreSQLStore, ran: list[str]) -> None:
    """Writes that wait when the block raises are not sent."""
    job = Queue(store=store).enqueue(1)
    with suppress(ZeroDivisionError), store.transaction() as tx:
        ran.clear()
        tx.set_available(job.id, None)
        raise ZeroDivisionError
    assert ran == ["ROLLBACK"]


def test_one_statement_of_several_writes() -> None:
    """All but the last are parts of it; a single write stays as it is."""
    writes = ("INSERT INTO a (x) VALUES (?)", "UPDATE b SET y = ?", "DELETE FROM c")
    assert [table_written(write) for write in writes] == ["a", "b", "c"]
    assert in_one(writes[:1]) == writes[0]
    assert in_one(writes) == (
        "WITH write_0 AS (INSERT INTO a (x) VALUES (?)), write_1 AS (UPDATE b SET y = ?) DELETE FROM c"
    )
