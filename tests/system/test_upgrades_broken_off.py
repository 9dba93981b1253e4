"""An upgrade that is broken off, at whichever statement, or that has to wait: the old queue is whole."""

import itertools
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from system.clock import ManualClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.sqlite import Connect, SQLiteStore
from system.store import Store, StoreBusy, StoreError, StoreUnavailable
from tests.system.connections import Moments, Watched, terminate, watching
from tests.system.killed_upgrades import digest
from tests.system.old_queues import OldQueue, old_postgresql, old_sqlite
from tests.system.processes import PATIENCE_SECONDS, PROJECT

each_version = pytest.mark.parametrize("version", [1, 2])


@each_version
def test_a_process_that_is_killed_at_any_statement_leaves_the_old_file(path: Path, version: int) -> None:
    """A real process is killed by SIGKILL before each statement in turn; the next one finds all as it was."""
    old = old_sqlite(path, version)
    rows, before = old.rows(), digest(path)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.system.killed_upgrades", str(path)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=True,
        text=True,
    )
    *killed, lived = [line.split() for line in ran.stdout.splitlines()]
    committed = [found for what, found in killed if what == "killed" and found != before]
    assert {what for what, _ in killed} == {"killed"}
    assert len(killed) - len(committed) > 30, "each statement up to the COMMIT"
    assert {lived[1], *committed} == {lived[1]}, "killed after the COMMIT, it is brought up"
    assert lived[0] == "lived"
    assert lived[1] != before
    assert old.rows() == rows
    assert old.database.sound()


def interrupted(number: int, strike: Callable[[], object]) -> Connect:
    """Connections that strike before the statement of that number."""
    statements = itertools.count(1)

    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
            if next(statements) == number:
                strike()
            return super().execute(sql, values)  # type: ignore[arg-type]

    return lambda target: sqlite3.connect(
        target, timeout=0, isolation_level=None, uri=True, factory=Interrupted
    )


def fail(*_: object) -> None:
    """The disk is gone."""
    raise sqlite3.OperationalError("disk I/O error")


def interrupt(*_: object) -> None:
    """Somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def check_states(states: list[tuple[object, ...]], old: OldQueue, before: tuple[object, ...]) -> None:
    """Each is the old queue, up to the COMMIT; and the upgrade that was not broken off is whole."""
    after = old.whole()
    old_states = [state for state in states if state == before]
    assert states == old_states + [after] * (len(states) - len(old_states))
    assert len(old_states) > 30, "each statement up to the COMMIT"
    assert after != before
    assert old.database.sound()


@each_version
@pytest.mark.parametrize("strike", [fail, interrupt])
def test_a_statement_that_fails_leaves_the_old_file(
    path: Path, version: int, strike: Callable[[], object]
) -> None:
    """Whichever it is, and also where it is no error of the database: nothing of the upgrade is kept."""
    old = old_sqlite(path, version)
    before = old.whole()
    states = []
    for number in itertools.count(1):
        with suppress(StoreError, KeyboardInterrupt):
            SQLiteStore(path, clock=ManualClock(), connect=interrupted(number, strike)).close()
            break
        states.append(old.whole())
    check_states(states, old, before)


def cut(watched: Watched) -> None:
    """End the session, as the server does when the process of the upgrade is killed."""
    with psycopg.connect(watched.connection.info.dsn, autocommit=True) as behind:
        terminate(watched, behind)


def refuse(_: Watched) -> None:
    """The server has no room for what the statement writes."""
    raise psycopg.errors.DiskFull


@pytest.mark.parametrize("strike", [cut, refuse, interrupt])
def test_a_statement_that_fails_leaves_the_old_tables(
    postgresql_dsn: str, strike: Callable[[Watched], object]
) -> None:
    """Whichever it is: the session ends, the server has no room, or the user gives up."""
    old = old_postgresql(postgresql_dsn)
    before = old.whole()
    states = []
    for number in itertools.count(1):
        moments = Moments(number, strike)
        moments.begin()
        with suppress(StoreUnavailable, KeyboardInterrupt):
            PostgreSQLStore(postgresql_dsn, create=True, connect=watching(moments.around)).close()
            break
        states.append(old.whole())
    check_states(states, old, before)


# Another program is at work.


def bring_up(open_store: Callable[[], Store]) -> str:
    """Another process opens the queue at this moment, and enqueues a job, if it gets the lock."""
    try:
        with closing(open_store()) as store:
            Queue(store=store).enqueue("theirs")
            return "done"
    except StoreBusy:
        return "waited"


STATEMENTS = range(1, 13)
"""From the first of all to some that are within the upgrade."""


def check_theirs(store: Store, others: list[str], statement: int) -> None:
    """The job that the other process enqueued has its token, and is there once."""
    tokens = [job.token for job in store.jobs() if job.payload == "theirs"]
    assert len(tokens) == others.count("done")
    assert all(tokens)
    assert len(store.jobs()) == 11 + len(tokens)
    at_an_end = {STATEMENTS[0]: ["done"], STATEMENTS[-1]: ["waited"]}
    assert others == at_an_end.get(statement, others) != []


@each_version
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_file_may_be_brought_up_by_another_process(path: Path, version: int, statement: int) -> None:
    """Before whichever of the first statements that is, this one finds it done or does it, and once."""
    old_sqlite(path, version)
    others: list[str] = []
    opened = partial(SQLiteStore, path, clock=ManualClock(), busy_seconds=0)
    connect = interrupted(statement, lambda: others.append(bring_up(opened)))
    with closing(SQLiteStore(path, clock=ManualClock(), connect=connect)) as store:
        check_theirs(store, others, statement)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_database_may_be_brought_up_by_another_process(postgresql_dsn: str, statement: int) -> None:
    """Before whichever of the first statements that is, this one finds it done or does it, and once."""
    old_postgresql(postgresql_dsn)
    others: list[str] = []
    opened = partial(PostgreSQLStore, postgresql_dsn, clock=ManualClock(), create=True, busy_seconds=0)
    moments = Moments(statement, lambda _: others.append(bring_up(opened)))
    moments.begin()
    connect = watching(moments.around)
    with closing(PostgreSQLStore(postgresql_dsn, create=True, connect=connect)) as store:
        check_theirs(store, others, statement)


def test_a_file_that_an_older_program_holds_is_brought_up_later(path: Path) -> None:
    """During its transaction the upgrade says that the file is locked; later it keeps what was written."""
    old = old_sqlite(path, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as program:
        before = old.whole()
        program.execute("BEGIN IMMEDIATE")
        program.execute("UPDATE jobs SET available_at = 1 WHERE id = 3")
        with pytest.raises(StoreBusy, match="locked by another process"):
            SQLiteStore(path, clock=ManualClock(), busy_seconds=0)
        assert old.whole() == before
        program.execute("COMMIT")
        SQLiteStore(path, clock=ManualClock(), busy_seconds=0).close()
        assert program.execute("SELECT available_at, timed FROM jobs WHERE id = 3").fetchall() == [(1, 1)]


def test_a_database_that_an_older_program_holds_is_brought_up_later(postgresql_dsn: str) -> None:
    """During its transaction the upgrade says that a lock was held; later it keeps what was written."""
    old = old_postgresql(postgresql_dsn)
    before = old.whole()
    with psycopg.connect(postgresql_dsn) as program:
        program.execute("UPDATE jobs SET available_at = 1 WHERE id = 3")
        with pytest.raises(StoreBusy, match="a lock was held by another transaction"):
            PostgreSQLStore(postgresql_dsn, create=True, busy_seconds=0)
        assert old.whole() == before
        program.commit()
        PostgreSQLStore(postgresql_dsn, create=True, busy_seconds=0).close()
        assert program.execute("SELECT available_at, timed FROM jobs WHERE id = 3").fetchall() == [(1, True)]


def test_nobody_brings_a_database_up_during_a_transaction_of_this_program(postgresql_queue_dsn: str) -> None:
    """A transaction holds the table that says the version, so what a later program does first has to wait."""
    with (
        closing(PostgreSQLStore(postgresql_queue_dsn)) as store,
        psycopg.connect(postgresql_queue_dsn, autocommit=True) as later,
        store.transaction() as tx,
    ):
        assert tx.job_by_key("k") is None
        with pytest.raises(psycopg.errors.LockNotAvailable), later.transaction():
            later.execute("LOCK TABLE queue_schema IN ACCESS EXCLUSIVE MODE NOWAIT")


def test_a_store_that_has_waited_in_vain_for_an_upgrade_goes_on(postgresql_queue_dsn: str) -> None:
    """A transaction that cannot even read the version says so, and the next one works on the same store."""
    with (
        closing(PostgreSQLStore(postgresql_queue_dsn, busy_seconds=0)) as store,
        psycopg.connect(postgresql_queue_dsn, autocommit=True) as later,
    ):
        queue = Queue(store=store)
        with later.transaction():
            later.execute("LOCK TABLE queue_schema IN ACCESS EXCLUSIVE MODE")
            for _ in range(2):
                with pytest.raises(StoreBusy, match="a lock was held by another transaction"):
                    queue.enqueue(1)
        assert queue.enqueue(1).id == 1
        later.execute("ALTER TABLE queue_schema RENAME TO elsewhere")
        for _ in range(2):
            with pytest.raises(StoreError, match='relation "queue_schema" does not exist'):
                queue.enqueue(2)
        later.execute("ALTER TABLE elsewhere RENAME TO queue_schema")
        assert queue.enqueue(2).id == 2


def test_a_database_of_an_older_version_is_brought_up_by_init_alone(postgresql_dsn: str) -> None:
    """Whoever opens it otherwise is told how, and changes nothing."""
    old = old_postgresql(postgresql_dsn)
    before = old.whole()
    with pytest.raises(StoreError) as raised:
        PostgreSQLStore(postgresql_dsn)
    assert str(raised.value) == (
        f"{old.database.shown}: schema version 1, and this program knows 2: "
        "`python -m system init` brings it up to that"
    )
    assert old.whole() == before
