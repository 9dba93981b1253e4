"""The seam of psycopg: any queue is stepped at a real server, on simulated time."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from failure_modes.checker.experiment.moves import Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import Kind
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.search.queue_search import search
from failure_modes.checker.simulation.foreign import EPOCH_SECONDS, ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.psycopg import PsycopgSeam, label_of
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of
from failure_modes.checker.subject.seams import seams_of
from failure_modes.checker.support.errors import NotInstalled
from model.actions import Crash, Enqueue, Tick
from tests.subjects.server_tables import FAULTY, RIGHT

ONE = Enqueue(key="job-1")
GO = Task(name="go")
Program = Callable[[ForeignContext, psycopg.Connection[Any]], None]
Worlds = Callable[..., ForeignWorld]


def _create(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE fruit (name text PRIMARY KEY, at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO fruit (name) VALUES ('apple'), ('pear')")


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    """Makes worlds whose processes are these functions, each with a connection of its own."""
    made: list[ForeignWorld] = []

    def make(**programs: Program) -> ForeignWorld:
        def programs_of(place: Path) -> dict[str, Callable[[ForeignContext], None]]:
            return {name: _endless(place, program) for name, program in programs.items()}

        made.append(ForeignWorld(programs_of, (PsycopgSeam(),), lambda place: _reset(place)))
        return made[-1]

    yield make
    for world in made:
        world.close()


def _reset(place: Path) -> None:
    empty_database(place, _create)


def _endless(place: Path, program: Program) -> Callable[[ForeignContext], None]:
    def run(process: ForeignContext) -> None:
        connection = psycopg.connect(database_of(place))
        while True:
            process.next_task()
            program(process, connection)

    return run


def _takes(*names: str) -> Program:
    """A program that updates these rows in one transaction."""

    def run(process: ForeignContext, connection: psycopg.Connection[Any]) -> None:
        del process
        with connection.transaction():
            for name in names:
                connection.execute("UPDATE fruit SET at = now() WHERE name = %s", (name,))

    return run


def _until(world: ForeignWorld, name: str, label: str) -> None:
    """Let a process go on to this boundary."""
    task: Task | None = GO
    while world.resume(name, task=task).label != label:
        task = None


def test_each_statement_is_a_step(worlds: Worlds) -> None:
    """A process pauses before each statement and before its COMMIT, and not before its BEGIN."""
    world = worlds(A=_takes("apple", "pear"))
    labels = [world.resume("A", task=GO).label]
    while world.processes["A"].at.where is not Where.REST:
        labels.append(world.resume("A").label)
    assert labels == ["UPDATE fruit#1", "UPDATE fruit#2", "COMMIT#1", None]


def test_a_wait_for_a_lock_is_blocked_until_the_lock_is_free(worlds: Worlds) -> None:
    """The statement is at the server; when the other commits, the process goes on."""
    world = worlds(A=_takes("apple"), B=_takes("apple"))
    _until(world, "A", "COMMIT#1")
    _until(world, "B", "UPDATE fruit#1")
    assert world.resume("B").where is Where.BLOCKED
    assert world.resume("B").where is Where.BLOCKED, "nothing has moved"
    assert world.resume("A").where is Where.REST
    assert world.resume("B").label == "COMMIT#1"


def test_the_death_of_a_process_frees_its_locks(worlds: Worlds) -> None:
    """The server rolls back before anything else moves."""
    world = worlds(A=_takes("apple"), B=_takes("apple"))
    _until(world, "A", "COMMIT#1")
    _until(world, "B", "UPDATE fruit#1")
    assert world.resume("B").where is Where.BLOCKED
    world.kill("A")
    assert world.resume("B").label == "COMMIT#1"


def test_a_move_ends_when_the_server_has_nothing_to_do(worlds: Worlds) -> None:
    """A statement that gets its lock ends before anything else moves; a dead process has no session."""

    def slow(process: ForeignContext, connection: psycopg.Connection[Any]) -> None:
        del process
        with connection.transaction():
            connection.execute("UPDATE fruit SET at = now() WHERE name = 'apple' RETURNING pg_sleep(0.2)")

    world = worlds(A=_takes("apple"), B=slow)
    _until(world, "A", "COMMIT#1")
    _until(world, "B", "UPDATE fruit#1")
    assert world.resume("B").where is Where.BLOCKED
    world.resume("A")
    sessions = (
        "SELECT application_name, state FROM pg_stat_activity WHERE application_name LIKE '% process %'"
    )
    assert sorted(rows_of(world.folder, sessions)) == [
        ("queue process A", "idle"),
        ("queue process B", "idle in transaction"),
    ]
    world.kill("B")
    assert rows_of(world.folder, sessions) == [("queue process A", "idle")]


def test_who_closes_a_circle_of_waits_is_the_victim(worlds: Worlds) -> None:
    """The same process gets the error each time, and the other one goes on."""
    world = worlds(A=_takes("apple", "pear"), B=_takes("pear", "apple"))
    _until(world, "A", "UPDATE fruit#2")
    _until(world, "B", "UPDATE fruit#2")
    assert world.resume("A").where is Where.BLOCKED
    died = world.resume("B")
    while died.where is Where.BOUNDARY:
        died = world.resume("B")
    assert died.where is Where.DEAD
    assert died.error == "DeadlockDetected: deadlock detected"
    assert world.resume("A").label == "COMMIT#1"


def test_the_server_has_the_time_of_the_run(worlds: Worlds) -> None:
    """`now()` and CURRENT_TIMESTAMP give the simulated time, which is fixed within a transaction."""
    seen: list[float] = []

    def read(process: ForeignContext, connection: psycopg.Connection[Any]) -> None:
        del process
        with connection.transaction():
            for text in ("now()", "CURRENT_TIMESTAMP", "clock_timestamp()"):
                query = sql.SQL("SELECT EXTRACT(EPOCH FROM " + text + ")::float8 - %s")
                row = connection.execute(query, (EPOCH_SECONDS,)).fetchone()
                seen.append(row[0] if row else 0)

    world = worlds(A=read)
    world.advance(5_000)
    _until(world, "A", "SELECT EXTRACT#3")
    world.advance(60_000)
    _until(world, "A", "COMMIT#1")
    assert [round(one, 3) for one in seen] == [5, 5, 65]


def test_each_run_begins_with_the_rows_of_the_first(worlds: Worlds) -> None:
    """A database is emptied to the rows that it was made with."""
    world = worlds(A=_takes("apple"))
    for task in (GO, None, None):
        world.resume("A", task=task)
    world.close()
    again = worlds(A=_takes("apple"))
    rows = rows_of(again.folder, "SELECT name, EXTRACT(EPOCH FROM at)::int FROM fruit ORDER BY name")
    assert [name for name, _ in rows] == ["apple", "pear"]


@pytest.mark.parametrize(
    ("statement", "label"),
    [
        ("SELECT * FROM procrastinate.take(%s)", "SELECT take"),
        ('WITH x AS (SELECT 1 FROM "a" FOR UPDATE) UPDATE "public"."jobs" SET b = 1', "UPDATE jobs"),
        ("WITH x AS (UPDATE a SET b = 1) SELECT 1 FROM c FOR UPDATE SKIP LOCKED", "UPDATE a"),
        ("-- a remark\nselect take_v2(1)", "SELECT take_v2"),
        ("COMMIT", "COMMIT"),
        ("", ""),
    ],
)
def test_a_statement_has_a_short_name(statement: str, label: str) -> None:
    """Its verb, and its table or its function."""
    assert label_of(statement) == label


TWICE: Moves = (ONE, Work(worker="A", until="UPDATE job#1"), Work(worker="B"))
RECOVERED: Moves = (ONE, Work(worker="A", until="HANDLE#1"), Crash(worker="A"), Tick(seconds=61), Housekeep())


def test_a_classic_fault_is_found() -> None:
    """SELECT and then UPDATE: two workers run one job. The right table does not."""
    found = search(FAULTY, None, seed=1, runs=40).found
    assert found is not None
    assert found.trouble.kind in (Kind.AGAIN, Kind.AT_ONCE)
    assert play(RIGHT, TWICE) is None


def test_a_job_of_a_dead_worker_is_recovered() -> None:
    """Housekeeping sees by the time of the server that the lease has run out."""
    run = QueueRun(RIGHT)
    for move in RECOVERED:
        run.apply(move)
    assert RIGHT.observe(run.world.folder) == {"job-1": "waiting"}
    run.finish()
    run.close()


def test_a_missing_driver_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the package and how to install it."""
    monkeypatch.delitem(sys.modules, PsycopgSeam.__module__)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotInstalled, match=r"^the seam of psycopg needs psycopg: pip install .*\[judge\]'$"):
        seams_of(("psycopg",))
