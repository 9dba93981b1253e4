"""A queue of an older version becomes one of this version: wholly, once, and with every row as it was."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve

from system.clock import ManualClock
from system.policies import Policies
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.schema import Upgraded
from system.sqlite import SQLiteStore
from system.store import Status, Store, StoreError
from system.worker import Worker
from tests.system.databases import Database, PostgreSQL, SQLite
from tests.system.old_queues import (
    COLUMNS,
    NEXT_ID,
    OldQueue,
    catalogue,
    next_ids,
    old_postgresql,
    old_sqlite,
    run,
)

AT_ONCE = 6
PATIENT_SECONDS = 60.0
FAR_MS = 10**9


@pytest.fixture(params=["sqlite 1", "sqlite 2", "postgresql 1"])
def old(request: pytest.FixtureRequest) -> OldQueue:
    """Each old queue there is."""
    kind, version = request.param.split()
    if kind == "sqlite":
        return old_sqlite(request.getfixturevalue("path"), int(version))
    return old_postgresql(request.getfixturevalue("postgresql_dsn"))


def upgraded(old: OldQueue, *, now: int = 40_000, busy_seconds: float = 5.0) -> Store:
    """A store of this version in it."""
    return old.database.open(clock=ManualClock(now), create=True, busy_seconds=busy_seconds)


def test_every_row_is_as_it_was(old: OldQueue) -> None:
    """No value of an old column changes; the new ones say what was leased, and that there is no token."""
    before = old.rows()
    leased = {row[1] for row in before["executions"]}
    upgraded(old).close()
    assert old.rows() == before
    jobs = old.database.rows("SELECT id, timed, token FROM jobs ORDER BY id")
    assert jobs == [(row[0], row[0] in leased, "") for row in before["jobs"]]
    tokens = old.database.rows("SELECT token FROM executions")
    assert tokens == [("",)] * len(before["executions"])
    assert old.database.rows("SELECT count(*) FROM retries") == [(len(before.get("retries", ())),)]
    assert old.database.sound()


def test_a_second_time_changes_nothing(old: OldQueue) -> None:
    """A queue that was brought up is opened as any other."""
    upgraded(old).close()
    before = old.whole()
    with closing(upgraded(old)) as store:
        assert len(store.jobs()) == len(old.rows()["jobs"])
    assert old.whole() == before


def test_ids_go_on_where_they_were(old: OldQueue) -> None:
    """The next ids are above all that were ever given, also above those of rows that are gone."""
    upgraded(old).close()
    assert next_ids(old.database) == dict.fromkeys(COLUMNS, NEXT_ID)


def test_the_schema_is_that_of_a_new_queue(old: OldQueue) -> None:
    """Text by text on SQLite; on PostgreSQL each column, constraint, index and option of a table."""
    if isinstance(old.database, SQLite):
        new: Database = SQLite(old.database.path.with_name("new.db"))
        new.open(clock=ManualClock(), create=True).close()
    else:
        assert isinstance(old.database, PostgreSQL)
        new = PostgreSQL(f"{old.database.dsn}&options=-csearch_path%3Dnew")
        run(old.database, "CREATE SCHEMA new")
        new.open(clock=ManualClock(), create=True).close()
    upgraded(old).close()
    assert without_schema(catalogue(old.database)) == without_schema(catalogue(new))


def without_schema(found: list[list[tuple[Any, ...]]]) -> list[list[tuple[Any, ...]]]:
    """The catalogue without the name of the schema that a table is in."""
    return [
        [
            tuple(
                [
                    value.replace("public.", "").replace("new.", "") if isinstance(value, str) else value
                    for value in row
                ]
            )
            for row in rows
        ]
        for rows in found
    ]


def test_each_job_goes_on_from_where_it_was(old: OldQueue) -> None:
    """Those that waited, were leased or had failed are worked on; what had ended stays as it had ended."""
    with closing(upgraded(old)) as store:
        queue = Queue(store=store)
        keys = {job.id: job.key for job in store.jobs()}
        asked: dict[int, str] = {}
        clock = ManualClock(FAR_MS)
        with closing(old.database.open(clock=clock)) as later:
            work = evolve(queue, store=later)
            assert work.reconcile().finished == 1

            def handle(job: Any, context: Any) -> None:
                asked[job.id] = context.idempotency_key
                context.write(job.payload)

            Worker(work, handle, name="new", clock=clock).drain()
        assert asked == {job_id: f"job-{job_id}" for job_id in (2, 3, 4, 6, 8, 9, 12, 20)}
        assert list(asked) == [6, 3, 4, 12, 8, 2, 9, 20], "retries by due time, then new jobs by id"
        counts = store.counts()
        assert (counts.succeeded, counts.failed, counts.pending, counts.running) == (10, 1, 0, 0)
        assert [effect.job_id for effect in store.effects()] == [1, 5, *asked]
        assert {execution.status for execution in store.executions()} == {Status.DONE, Status.ABORTED}
        for job_id, key in keys.items():
            if key:
                again = queue.accept("another payload", key=key)
                assert (again.existed, again.job.id) == (True, job_id)
        new = queue.enqueue("new")
        assert (new.id, len(new.token) > 0) == (NEXT_ID, True)


def test_openers_at_once_bring_it_up_once(old: OldQueue) -> None:
    """Stores that open it in threads that begin together all work on it; one says that it upgraded it.

    No row is there twice.
    """
    before = old.rows()
    gate = threading.Barrier(AT_ONCE)
    upgrades = []

    def open_and_enqueue(number: int) -> int:
        gate.wait()
        with closing(upgraded(old, busy_seconds=PATIENT_SECONDS)) as store:
            assert isinstance(store, SQLiteStore | PostgreSQLStore)
            upgrades.append(store.upgraded)
            return Queue(store=store).enqueue(number).id

    with ThreadPoolExecutor(AT_ONCE) as threads:
        ids = sorted(threads.map(open_and_enqueue, range(AT_ONCE)))
    after = old.rows()
    made = [one for one in upgrades if one is not None]
    assert made == [Upgraded(before=old.version, after=old.wanted)]
    assert ids == list(range(NEXT_ID, NEXT_ID + AT_ONCE))
    for table, rows in before.items():
        added = AT_ONCE if table in ("jobs", "audit") else 0
        assert (after[table][: len(rows)], len(after[table])) == (rows, len(rows) + added)
    assert old.database.sound()


# Rows that this version does not allow.

WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "two effects": (
        ("INSERT INTO effects (id, job_id, execution_id, value) VALUES (9, 1, 2, 'again')",),
        "a job has one effect, which is not so for job 1",
    ),
    "two executions": (
        ("UPDATE executions SET status = 'LEASED' WHERE id = 14",),
        "a job has one execution that was not aborted, which is not so for job 12",
    ),
    "another job's effect": (
        ("UPDATE effects SET execution_id = 3 WHERE id = 3",),
        "an effect is of an execution of its own job, which is not so for job 5",
    ),
    "an unknown event": (("UPDATE audit SET event = 'hoped' WHERE id = 7",), "is against a rule (.*event"),
    "an unknown status": (("UPDATE audit SET after = 'GONE' WHERE id = 6",), "is against a rule (.*after"),
    "an attempt of number 0": (
        ("UPDATE executions SET attempt = 0 WHERE id = 1",),
        "is against a rule (.*attempt",
    ),
}
WRONG_ON_SQLITE: dict[str, tuple[tuple[str, ...], str]] = {
    "a time that is text": (
        ("UPDATE jobs SET available_at = 'soon' WHERE id = 2",),
        "row 2 of 'jobs' is against a rule (.*available_at",
    ),
    "a payload that is no text": (
        ("UPDATE jobs SET payload = x'00' WHERE id = 2",),
        "row 2 of 'jobs' is against a rule (.*payload",
    ),
    "a job that is gone": (
        ("DELETE FROM jobs WHERE id = 6",),
        "row 6 of 'executions' refers to a row of 'jobs' that is not there",
    ),
}


def check_refused(old: OldQueue, wrong: tuple[str, ...], why: str) -> None:
    """Make the rows wrong: nobody brings the queue up, and nothing is changed, however often it is tried."""
    old.run(*wrong)
    before = old.whole()
    for _ in range(2):
        with pytest.raises(StoreError) as raised:
            upgraded(old)
        text = str(raised.value)
        begins = f"{old.database.shown}: cannot be brought up from schema version {old.version}"
        assert text.startswith(f"{begins} to {old.wanted}: ")
        expected, _, word = why.partition("(.*")
        assert expected in text
        assert word in text
        assert text.endswith("; remove the wrong row, or go on with the version of the program that wrote it")
        assert "\n" not in text
        assert old.whole() == before


@pytest.mark.parametrize(("wrong", "why"), WRONG.values(), ids=WRONG)
def test_rows_that_are_not_allowed_are_told_and_left_alone(
    old: OldQueue, wrong: tuple[str, ...], why: str
) -> None:
    """One line says which rule it is, and the queue is as it was, for the program that wrote it."""
    check_refused(old, wrong, why)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("wrong", "why"), WRONG_ON_SQLITE.values(), ids=WRONG_ON_SQLITE)
def test_rows_that_only_sqlite_let_in_are_told_and_left_alone(
    request: pytest.FixtureRequest, version: int, wrong: tuple[str, ...], why: str
) -> None:
    """A column of another type, and a reference to a row that was removed by hand."""
    check_refused(old_sqlite(request.getfixturevalue("path"), version), wrong, why)


# Programs of other versions beside this one.

OLD_ENQUEUE = (
    "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, available_at)"
    " VALUES ('old', '1', 3, 40000, 40000)"
)
OLD_LEASE = (
    "INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at)"
    " VALUES (2, 1, 'old', 'LEASED', 70000)"
)
OLD_FINISH = (
    "INSERT INTO effects (job_id, execution_id, value) VALUES (4, 5, '\"old\"')",
    "UPDATE executions SET status = 'COMMITTED', lease_expires_at = 33000 WHERE id = 5",
    "UPDATE jobs SET available_at = NULL WHERE id = 4",
    "UPDATE executions SET status = 'DONE', lease_expires_at = 33000 WHERE id = 5",
)
"""What a worker of an older version writes that has the job in its handler while the queue is brought up."""


@pytest.mark.parametrize("statement", [OLD_ENQUEUE, OLD_LEASE], ids=["enqueue", "lease"])
def test_a_program_of_the_older_version_can_neither_enqueue_nor_lease(old: OldQueue, statement: str) -> None:
    """Before the upgrade its statements work; after it the database refuses them, for they give no token."""
    old.run(statement)
    undo = "DELETE FROM jobs WHERE key = 'old'", "DELETE FROM executions WHERE worker = 'old'"
    old.run(*undo)
    upgraded(old).close()
    before = old.whole()
    with pytest.raises(Exception, match=r"(?i)not.null") as raised:
        old.run(statement)
    assert "IntegrityError" in [kind.__name__ for kind in type(raised.value).__mro__]
    assert old.whole() == before


def test_a_worker_of_the_older_version_may_end_the_job_in_its_handler(old: OldQueue) -> None:
    """Its commit and its finish are taken, and nobody of this version works on the job again."""
    with closing(upgraded(old, now=20_000)) as store:
        old.run(*OLD_FINISH)
        work = Queue(store=store, policies=Policies())
        Worker(work, lambda *_: None, name="new", clock=ManualClock(20_000)).drain()
        [effect] = [effect for effect in store.effects() if effect.job_id == 4]
        assert effect.value == '"old"'
        assert [e.status for e in store.executions() if e.job_id == 4] == [Status.DONE]
    assert old.database.sound()


def newer(database: Database) -> None:
    """What a later version does first: it raises the number."""
    if isinstance(database, SQLite):
        run(database, "PRAGMA user_version = 4")
    else:
        run(database, "UPDATE queue_schema SET version = version + 1")


ASKED: dict[str, Callable[[Queue], object]] = {
    "enqueue": lambda queue: queue.enqueue(1),
    "lease": lambda queue: queue.lease("A"),
    "reconcile": lambda queue: queue.reconcile(),
    "a worker": lambda queue: Worker(queue, lambda *_: None, name="A", clock=ManualClock()).run(),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_store_that_is_open_stops_at_the_version_of_a_later_program(
    queue: Queue, database: Database, ask: Callable[[Queue], object]
) -> None:
    """Its next transaction is one line of error, and writes nothing; a worker ends with it."""
    queue.enqueue(1)
    before = queue.store.jobs(), queue.store.executions(), list(queue.store.audit())
    newer(database)
    known = 3 if isinstance(database, SQLite) else 2
    try:
        with pytest.raises(StoreError) as raised:
            ask(queue)
    finally:
        if not isinstance(database, SQLite):  # this database is used again
            run(database, f"UPDATE queue_schema SET version = {known}")
    assert str(raised.value) == (
        f"{database.shown}: schema version {known + 1}, and this program knows {known}: "
        "use the version of the program that wrote it, or a newer one"
    )
    assert (queue.store.jobs(), queue.store.executions(), list(queue.store.audit())) == before
