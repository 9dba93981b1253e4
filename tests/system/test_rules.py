"""What the rows of a queue cannot hold, whoever writes them: the rules of the schema, on every database."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import psycopg
import pytest

from system.audit import EventKind, Operation
from system.clock import ManualClock
from system.policies import CommitBoundary, Policies
from system.policies.fence import Fence
from system.queue import Queue
from system.store import Execution, Status, Store, StoreError
from tests.system.databases import Database, PostgreSQL, SQLite
from tests.system.test_contract import add_job, everything
from tests.system.test_queue import leased, started

JOB = "INSERT INTO jobs (payload, attempts_max, enqueued_at, available_at, timed, token) VALUES"
EXECUTION = "INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at, token) VALUES"
EFFECT = "INSERT INTO effects (job_id, execution_id, value) VALUES"
AUDIT = "INSERT INTO audit (at, actor, operation, event, job_id, before, after) VALUES"
STATUSES = tuple(Status)


def write(database: Database, *statements: str) -> None:
    """Run statements as another program would, which knows nothing of the queue, in one transaction."""
    if isinstance(database, SQLite):
        with closing(sqlite3.connect(database.path)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            for statement in statements:
                connection.execute(statement)
        return
    assert isinstance(database, PostgreSQL)
    with psycopg.connect(database.dsn) as server:
        for statement in statements:
            server.execute(statement)


@pytest.fixture
def rows(store: Store, database: Database) -> Database:
    """Three jobs: 1 is DONE with an effect, 2 was never leased, 3 is LEASED after an attempt that failed."""
    assert store.jobs() == ()
    write(
        database,
        f"{JOB} ('1', 3, 0, NULL, TRUE, 'a'), ('1', 3, 0, 0, FALSE, 'b'), ('1', 3, 0, 9, TRUE, 'c')",
        f"{EXECUTION} (1, 1, 'A', 'DONE', 9, 'a'), (3, 1, 'A', 'ABORTED', 9, 'b')",
        f"{EXECUTION} (3, 2, 'A', 'LEASED', 9, 'c')",
        f"{EFFECT} (1, 1, '1')",
        f"{AUDIT} (0, 'A', 'lease', 'leased', 1, NULL, 'LEASED')",
    )
    return database


REFUSED = {
    "a second effect": f"{EFFECT} (1, 1, '2')",
    "a second execution that is leased": f"{EXECUTION} (3, 3, 'B', 'LEASED', 9, 'd')",
    "a second execution that is done": f"{EXECUTION} (1, 2, 'B', 'DONE', 9, 'd')",
    "an aborted execution that is revived": "UPDATE executions SET status = 'IN_PROGRESS' WHERE id = 2",
    "an effect of another job's execution": f"{EFFECT} (3, 1, '2')",
    "an effect of no execution": f"{EFFECT} (2, 99, '2')",
    "an effect of no job": f"{EFFECT} (99, 1, '2')",
    "an execution that is taken from its effect": "UPDATE executions SET job_id = 2 WHERE id = 1",
    "an execution of no job": f"{EXECUTION} (99, 1, 'B', 'LEASED', 9, 'd')",
    "an attempt of number 0": f"{EXECUTION} (2, 0, 'B', 'LEASED', 9, 'd')",
    "an unknown status": f"{EXECUTION} (2, 1, 'B', 'leased', 9, 'd')",
    "a status that becomes unknown": "UPDATE executions SET status = 'FINISHED' WHERE id = 3",
    "an unknown event": f"{AUDIT} (0, 'A', 'lease', 'hoped', 1, NULL, NULL)",
    "an unknown status before": f"{AUDIT} (0, 'A', 'lease', 'leased', 1, 'NEW', NULL)",
    "an unknown status after": f"{AUDIT} (0, 'A', 'lease', 'leased', 1, NULL, '')",
    "a job without attempts": f"{JOB} ('1', 0, 0, 0, FALSE, 'd')",
    "a job without a token": f"{JOB} ('1', 1, 0, 0, FALSE, NULL)",
    "an execution without a token": f"{EXECUTION} (2, 1, 'B', 'LEASED', 9, NULL)",
    "a job of which it is not known if it was leased": f"{JOB} ('1', 1, 0, 0, NULL, 'd')",
    "a job that is removed with its history": "DELETE FROM jobs WHERE id = 1",
    "an effect that loses its execution": "DELETE FROM executions WHERE id = 1",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_rows_that_contradict_a_promise_are_refused(rows: Database, store: Store, statement: str) -> None:
    """The database itself refuses them in raw SQL, and keeps what was there."""
    before = everything(store)
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        write(rows, statement)
    assert everything(store) == before


def test_rows_that_contradict_nothing_are_taken(rows: Database, store: Store) -> None:
    """Another aborted execution, an effect of the job's own execution, each status and each event."""
    write(
        rows,
        f"{EXECUTION} (3, 3, 'B', 'ABORTED', 9, 'd'), (2, 1, 'B', 'ABORTED', 9, 'd')",
        f"{EXECUTION} (2, 2, 'B', 'COMMITTED', 9, 'd')",
        f"{EFFECT} (2, 6, '2')",
        *[f"{AUDIT} (0, 'A', 'o', 'extended', 1, '{status}', '{status}')" for status in STATUSES],
        "UPDATE executions SET status = 'DONE' WHERE id = 6",
    )
    assert [effect.job_id for effect in store.effects()] == [1, 2]
    assert rows.sound()


TIMES = (
    ("jobs", "enqueued_at"),
    ("jobs", "available_at"),
    ("executions", "lease_expires_at"),
    ("retries", "begun_at"),
    ("breaker", "open_until_at"),
    ("audit", "at"),
)


@pytest.mark.parametrize(("table", "column"), TIMES)
@pytest.mark.parametrize("value", ["'soon'", "1.5", "x'31'", "'9223372036854775808'"])
def test_a_time_of_another_type_is_refused_by_sqlite(path: Path, table: str, column: str, value: str) -> None:
    """SQLite lets a column hold any type, and a text is later than every number; a rule forbids it."""
    database = SQLite(path)
    store = database.open(clock=ManualClock(), create=True)
    write(
        database,
        f"{JOB} ('1', 3, 0, 0, FALSE, 'a')",
        f"{EXECUTION} (1, 1, 'A', 'LEASED', 9, 'a')",
        f"{AUDIT} (0, 'A', 'lease', 'leased', 1, NULL, 'LEASED')",
        "INSERT INTO retries (begun_at) VALUES (0)",
        "INSERT INTO breaker (id, failures, open_until_at) VALUES (1, 1, 0)",
    )
    before = everything(store)
    with pytest.raises(sqlite3.IntegrityError, match=f"CHECK.*{column}"):
        write(database, f"UPDATE {table} SET {column} = {value}")
    assert everything(store) == before
    store.close()


# What a policy is told that would write such rows.


def message(raised: pytest.ExceptionInfo[StoreError], database: Database) -> str:
    """The one line of the error, without the name of the database."""
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith(f"{database.shown}: ")
    return text.removeprefix(f"{database.shown}: ")


def test_a_policy_that_writes_a_second_effect_is_stopped(queue: Queue, database: Database) -> None:
    """A commit boundary that asks nothing gets one clear line, and what was there is kept."""

    class Careless(CommitBoundary):
        def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
            del fence
            with store.transaction() as tx:
                tx.record(event=EventKind.REFUSED, operation=Operation.COMMIT, actor="A", job_id=held.job_id)
                tx.add_effect(job_id=held.job_id, execution_id=held.id, value=value)
            return True

    queue.enqueue(1)
    held = started(queue)
    assert queue.commit(held, 1)
    before = everything(queue.store)
    careless = Queue(store=queue.store, policies=Policies(commit=Careless()))
    with pytest.raises(StoreError) as raised:
        careless.commit(held, 2)
    assert message(raised, database) == (
        "refused by a rule of the schema (a job has one effect); nothing was changed"
    )
    assert everything(queue.store) == before
    assert queue.finish(held)


def test_a_policy_that_leases_a_job_twice_is_stopped(queue: Queue, database: Database) -> None:
    """A second execution beside one that was not aborted is one clear line."""
    queue.enqueue(1)
    first = leased(queue).execution
    before = everything(queue.store)
    with pytest.raises(StoreError) as raised, queue.store.transaction() as tx:
        tx.add_execution(job_id=1, attempt=2, worker="B", lease_expires_at=9, operation=Operation.LEASE)
    assert message(raised, database) == (
        "refused by a rule of the schema (a job has one execution that was not aborted); nothing was changed"
    )
    assert everything(queue.store) == before
    assert queue.start(first)


def test_a_policy_that_writes_the_effect_of_another_job_is_stopped(queue: Queue, database: Database) -> None:
    """The line names the rule, in our words or in the database's; nothing is changed."""
    for number in range(2):
        queue.enqueue(number)
    first, second = started(queue), started(queue)
    before = everything(queue.store)
    with pytest.raises(StoreError) as raised, queue.store.transaction() as tx:
        tx.add_effect(job_id=first.job_id, execution_id=second.id, value="1")
    assert message(raised, database) in (
        "refused by a rule of the schema (an effect is of an execution of its own job); nothing was changed",
        "refused by a rule of the schema (FOREIGN KEY constraint failed); nothing was changed",
    )
    assert everything(queue.store) == before


def test_the_store_enforces_what_rows_refer_to(store: Store) -> None:
    """A row that refers to one that does not exist is an error, and is not kept."""
    job = add_job(store)
    refused = r"(?i): refused by a rule of the schema \(.*(foreign key|own job).*\); nothing was changed$"
    with pytest.raises(StoreError, match=refused), store.transaction() as tx:
        tx.add_effect(job_id=job.id, execution_id=99, value="1")
    with pytest.raises(StoreError, match=refused), store.transaction() as tx:
        tx.add_execution(job_id=99, attempt=1, worker="A", lease_expires_at=1, operation=Operation.LEASE)
    with pytest.raises(StoreError, match=refused), store.transaction() as tx:
        tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor="A", job_id=99)
    assert (store.executions(), store.effects(), list(store.audit())) == ((), (), [])


@pytest.mark.parametrize("event", ["", "Leased", "postponed?"])
def test_an_event_that_is_not_known_is_told_in_one_line(queue: Queue, database: Database, event: str) -> None:
    """The line says which rule it is, and the transaction leaves nothing."""
    queue.enqueue(1)
    before = everything(queue.store)
    with pytest.raises(StoreError) as raised, queue.store.transaction() as tx:
        tx.record(event=cast(EventKind, event), operation=Operation.LEASE, actor="A", job_id=1)
    text = message(raised, database)
    assert text.startswith("refused by a rule of the schema (")
    assert "event" in text
    assert text.endswith("); nothing was changed")
    assert everything(queue.store) == before
