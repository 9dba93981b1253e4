"""The store on PostgreSQL alone: what is opened, what is refused, and the settings its promises rest on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import conninfo

from system.clock import ManualClock
from system.postgresql import SCHEMA_VERSION, PostgreSQLStore
from system.postgresql.schema import MARK, TABLES
from system.queue import Queue
from system.store import StoreBusy, StoreError, StoreUnavailable
from tests.conftest import not_at_hand
from tests.system.connections import Run, Watched, watching
from tests.system.databases import PostgreSQL
from tests.system.test_queue import leased

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server

Admin = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(postgresql_dsn: str) -> Iterator[Admin]:
    """A connection to the new database."""
    with psycopg.connect(postgresql_dsn, autocommit=True) as connection:
        yield connection


def one(connection: Admin, sql: str) -> Any:
    """The one value that a statement gives."""
    return connection.execute(sql).fetchall()[0][0]


def create(dsn: str, *, busy_seconds: float = 5.0) -> PostgreSQLStore:
    """A store that creates the queue if it is not there."""
    return PostgreSQLStore(dsn, clock=ManualClock(), create=True, busy_seconds=busy_seconds)


def objects(connection: Admin) -> int:
    """How many tables, indexes and sequences the database has."""
    return int(
        one(connection, "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_|^inf'")
    )


def test_a_server_that_is_not_at_hand_is_a_skip_and_in_ci_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """In both cases the reason is in view."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL: none"):
        not_at_hand("PostgreSQL: none")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI this must not be missing: PostgreSQL: none"):
        not_at_hand("PostgreSQL: none")


def test_a_queue_is_created_only_when_asked_and_once(postgresql_dsn: str, admin: Admin) -> None:
    """Without `create` the line says how; with it, it says whether it made one; a second time it does not."""
    with pytest.raises(StoreError) as raised:
        PostgreSQLStore(postgresql_dsn)
    assert str(raised.value).endswith(": no queue in this database; `python -m system init` creates one")
    assert objects(admin) == 0
    with closing(create(postgresql_dsn)) as store:
        assert store.created
        Queue(store=store).enqueue(1)
    made = objects(admin)
    with closing(create(postgresql_dsn)) as store:
        assert not store.created
        assert len(store.jobs()) == 1
    assert objects(admin) == made
    assert one(admin, f"SELECT version FROM {MARK}") == SCHEMA_VERSION


def test_a_creation_that_fails_leaves_nothing(postgresql_dsn: str, admin: Admin) -> None:
    """Whichever statement of it is the last, it is whole or it is nothing, and can be done again."""
    total = 0

    def failing(number: int) -> Callable[[Watched, str, Run], Any]:
        seen = 0

        def around(_: Watched, sql: str, run: Run) -> Any:
            nonlocal seen
            seen += sql.lstrip().startswith(("CREATE", "INSERT"))
            if seen == number:
                raise psycopg.errors.DiskFull
            return run()

        return around

    for number in range(1, 30):
        with suppress(StoreUnavailable):
            PostgreSQLStore(postgresql_dsn, create=True, connect=watching(failing(number))).close()
            break
        assert objects(admin) == 0
        total += 1
    assert total >= len(TABLES) + 1
    assert objects(admin) > total


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_somebody_else_is_left_alone(postgresql_dsn: str, admin: Admin, table: str) -> None:
    """Where one of that name is there already, nothing is created, and the line says what would help."""
    admin.execute(f"CREATE TABLE {table} (x integer)")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"has a table '{table}' that is not a queue's; name another"):
            create(postgresql_dsn)
    assert objects(admin) == 1
    admin.execute("CREATE SCHEMA mine")
    with closing(create(f"{postgresql_dsn}&options=-csearch_path%3Dmine")) as store:
        Queue(store=store).enqueue(1)
    assert one(admin, "SELECT count(*) FROM mine.jobs") == 1


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1])
def test_another_schema_version_is_refused(postgresql_dsn: str, admin: Admin, version: int) -> None:
    """A queue that another version of the program wrote is not touched; none is told as version 0."""
    create(postgresql_dsn).close()
    admin.execute(f"UPDATE {MARK} SET version = {version}" if version else f"DELETE FROM {MARK}")
    for make in (False, True):
        why = f"schema version {version}, and this program knows {SCHEMA_VERSION}: use"
        with pytest.raises(StoreError, match=why):
            PostgreSQLStore(postgresql_dsn, create=make)


def test_a_search_path_to_nowhere_is_refused(postgresql_dsn: str, admin: Admin) -> None:
    """With no schema to create tables in, it says so."""
    dsn = f"{postgresql_dsn}&options=-csearch_path%3Dnowhere"
    for make in (False, True):
        with pytest.raises(
            StoreError, match="no schema of the search path exists; create it, or name another"
        ):
            PostgreSQLStore(dsn, create=make)
    assert objects(admin) == 0


@pytest.mark.parametrize("statement", range(1, 11))
def test_a_store_may_be_opened_while_another_creates_the_queue(postgresql_dsn: str, statement: int) -> None:
    """Before whichever of its first statements another creates the queue, a store opens that one."""
    ran = 0
    others: list[str] = []

    def around(_: Watched, __: str, run: Run) -> Any:
        nonlocal ran
        ran += 1
        if ran == statement:
            try:
                with closing(create(postgresql_dsn, busy_seconds=0)) as other:
                    Queue(store=other).enqueue("theirs")
                    others.append("created")
            except StoreBusy:
                others.append("waited")
        return run()

    with closing(PostgreSQLStore(postgresql_dsn, create=True, connect=watching(around))) as store:
        assert [job.payload for job in store.jobs()] == (["theirs"] if others == ["created"] else [])
        assert store.created is (others == ["waited"])


def test_stores_that_create_the_queue_at_once_create_one(postgresql_dsn: str) -> None:
    """In threads that begin together: all succeed, and one says that it made it."""
    gate = threading.Barrier(6)

    def run(number: int) -> bool:
        gate.wait()
        with closing(create(postgresql_dsn, busy_seconds=60)) as store:
            Queue(store=store).enqueue(number)
            return store.created

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(run, range(6))) == [False] * 5 + [True]
    with closing(PostgreSQLStore(postgresql_dsn)) as store:
        assert len(store.jobs()) == 6


def test_a_database_of_another_encoding_is_refused(postgresql_server: "Server") -> None:
    """Only in UTF8 is every character kept."""
    with psycopg.connect(postgresql_server.dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE contract_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            with pytest.raises(StoreError, match="contract_latin: the encoding of the database must be UTF8"):
                create(conninfo.make_conninfo(postgresql_server.dsn, dbname="contract_latin"))
        finally:
            admin.execute("DROP DATABASE contract_latin")


def test_a_worker_that_was_stopped_in_a_transaction_does_not_hold_its_job_for_ever(
    postgresql_queue_dsn: str, clock: ManualClock
) -> None:
    """The server ends its session after a while. When it comes back to commit, it is told so.

    Why the session was ended is known only if the message arrived before the connection was seen to end.
    """
    seen: list[Watched] = []

    def remember(watched: Watched, _: str, run: Run) -> Any:
        seen.append(watched)
        return run()

    database = PostgreSQL(postgresql_queue_dsn)
    with (
        closing(database.open(clock=clock, busy_seconds=60)) as store,
        closing(PostgreSQLStore(database.dsn, clock=clock, connect=watching(remember))) as stopped,
    ):
        Queue(store=store).enqueue(1)
        held = stopped.transaction()
        left = held.__enter__()
        left.set_available(1, None)
        left.job(1)  # a read, so that the write is sent before it
        with suppress(psycopg.OperationalError):  # a slow client may read the end of its session at once
            seen[-1].connection.execute("SET idle_in_transaction_session_timeout = 1")
        with store.transaction() as tx:
            assert tx.job(1).available_at == clock.now(), "it waits until the server has ended the other"
        told = "the server (ended a transaction that was left alone|closed the connection)"
        with pytest.raises(StoreUnavailable, match=told):
            held.__exit__(None, None, None)
        with stopped.transaction() as tx:
            assert tx.job(1).available_at == clock.now(), "it goes on with a new connection"


def test_without_a_clock_the_time_is_the_servers(postgresql_queue_dsn: str) -> None:
    """In each operation it lies between what the server said before and what it said after."""
    now = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    with (
        closing(PostgreSQLStore(postgresql_queue_dsn)) as store,
        psycopg.connect(postgresql_queue_dsn, autocommit=True) as behind,
    ):
        queue = Queue(store=store)
        before = one(behind, now)
        times = [
            queue.enqueue(1).enqueued_at,
            leased(queue).execution.lease_expires_at - 30_000,
            store.counts().counted_at,
            *[row.at for row in store.audit()],
        ]
        with store.transaction() as tx:
            times += [tx.now, tx.now]
        with store.transaction() as tx:
            assert tx.expired(5) == ()
            times += [tx.now, tx.now]
        assert all(before <= time <= one(behind, now) for time in times)
        assert (times[-1], times[-3]) == (times[-2], times[-4])


def test_a_deadlock_is_told_as_something_to_try_again(postgresql_queue_dsn: str, clock: ManualClock) -> None:
    """Two transactions that each want the other's job: one is broken off, and nothing of it happened."""

    def quickly(watched: Watched, sql: str, run: Run) -> Any:
        answer = run()
        if "lock_timeout" in sql:
            watched.connection.execute("SET deadlock_timeout = '10ms'; SET lock_timeout = '60s'")
        return answer

    with (
        closing(PostgreSQLStore(postgresql_queue_dsn, clock=clock, connect=watching(quickly))) as one_store,
        closing(PostgreSQLStore(postgresql_queue_dsn, clock=clock, connect=watching(quickly))) as another,
        ThreadPoolExecutor(2) as threads,
    ):
        for number in range(2):
            Queue(store=one_store).enqueue(number)
        gate = threading.Barrier(2)

        def run(store: PostgreSQLStore, first: int, second: int) -> str:
            try:
                with store.transaction() as tx:
                    tx.set_available(first, None)
                    tx.job(first)  # a read, so that the write is sent before it
                    gate.wait()
                    tx.set_available(second, None)
            except StoreBusy as error:
                return str(error)
            return "done"

        answers = [threads.submit(partial(run, one_store, 1, 2)), threads.submit(partial(run, another, 2, 1))]
        done, broken = sorted([answer.result(60) for answer in answers], key=len)
        assert done == "done"
        assert broken.endswith(
            "the server broke a deadlock by ending this transaction; nothing happened, try again"
        )
        assert [job.available_at for job in one_store.jobs()] == [None, None]
