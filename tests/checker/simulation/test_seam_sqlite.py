"""The seam of SQLite: a connection behaves as a real one, and pauses its process before each statement."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.simulation.foreign import Arrival, ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_process import ForeignProcess
from failure_modes.checker.simulation.seams.sqlite import SQLiteSeam, label_of, statements_of
from failure_modes.checker.simulation.virtual_clock import VirtualClock

GO = Task(name="go")
Body = Callable[[Any], object]


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with SQLiteSeam().installed():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with one table of numbers."""
    file = tmp_path / "numbers.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE number (n INTEGER)")
    connection.close()
    return file


def process_of(body: Body, path: Path, clock: VirtualClock | None = None, **options: Any) -> ForeignProcess:
    """A process that runs the body once for each task, with one connection."""

    def program(context: ForeignContext) -> None:
        context.next_task()
        connection = sqlite3.connect(path, **options)
        while True:
            body(connection)
            context.next_task()

    return ForeignProcess("A", clock or VirtualClock(), program)


def labels_of(process: ForeignProcess) -> list[str | None]:
    """The boundaries of one task."""
    found: list[str | None] = []
    arrival = process.resume(task=GO)
    while arrival.where not in (Where.REST, Where.DEAD):
        found.append(arrival.label)
        arrival = process.resume()
    return found


def numbers(path: Path) -> list[int]:
    """The committed rows."""
    connection = sqlite3.connect(path)
    rows = [row[0] for row in connection.execute("SELECT n FROM number ORDER BY n")]
    connection.close()
    return rows


def _in_with(connection: Any) -> None:
    with connection:
        connection.execute("INSERT INTO number VALUES (1)")


def _raising(connection: Any) -> None:
    try:
        with connection:
            connection.execute("INSERT INTO number VALUES (1)")
            raise KeyError
    except KeyError:
        pass


def _many(connection: Any) -> None:
    connection.executemany("INSERT INTO number VALUES (?)", [(1,), (2,)])
    connection.commit()


def _script(connection: Any) -> None:
    connection.executescript("BEGIN; INSERT INTO number VALUES (1); COMMIT; DELETE FROM number WHERE n = 2;")


INSERT, COMMIT = "INSERT number#1", "COMMIT#1"


@pytest.mark.parametrize(
    ("body", "labels", "rows"),
    [
        (_in_with, [INSERT, COMMIT], [1]),
        (_raising, [INSERT, "ROLLBACK#1"], []),
        (_many, [INSERT, COMMIT], [1, 2]),
        (_script, ["BEGIN#1", INSERT, COMMIT, "DELETE number#1"], [1]),
        (lambda connection: connection.execute("PRAGMA user_version").fetchone(), [], []),
        (lambda connection: connection.commit(), [], []),
    ],
    ids=["with", "with and an error", "executemany", "executescript", "a pragma", "nothing to commit"],
)
def test_each_way_to_write_has_its_boundaries(
    path: Path, body: Body, labels: list[str], rows: list[int]
) -> None:
    """The implicit BEGIN belongs to its statement, and COMMIT has a boundary of its own."""
    process = process_of(body, path)
    assert labels_of(process) == labels
    assert numbers(path) == rows
    process.kill()


def test_executemany_in_autocommit_has_a_boundary_for_each_row(path: Path) -> None:
    """There each row is a transaction, so a crash may come between two."""
    process = process_of(_many, path, isolation_level=None)
    assert labels_of(process) == [INSERT, "INSERT number#2"]
    process.kill()


def test_a_dead_process_writes_nothing_more(path: Path) -> None:
    """No `finally` has an effect: neither on its connection, nor on a new one."""
    tried: list[str | None] = []

    def body(connection: Any) -> None:
        connection.execute("INSERT INTO number VALUES (1)")
        try:
            connection.commit()
        finally:
            for write in (
                lambda: connection.execute("INSERT INTO number VALUES (2)"),
                connection.commit,
                lambda: sqlite3.connect(path),
                connection.close,
            ):
                try:
                    write()
                    tried.append(None)
                except BaseException as error:
                    tried.append(type(error).__name__)

    process = process_of(body, path)
    process.resume(task=GO)
    assert process.resume().label == COMMIT
    process.kill()
    assert tried == ["Crashed", "Crashed", "Crashed", None]
    assert numbers(path) == []


def test_a_held_lock_blocks_until_it_is_released(path: Path) -> None:
    """The statement that found the lock runs when it is tried again, under the same label."""
    first, second = process_of(_in_with, path), process_of(_in_with, path)
    first.resume(task=GO)
    assert first.resume().label == COMMIT
    second.resume(task=GO)
    assert second.resume() == Arrival(where=Where.BLOCKED, label=INSERT)
    assert second.resume().where is Where.BLOCKED
    assert first.resume().where is Where.REST
    assert second.resume().label == COMMIT
    second.resume()
    assert numbers(path) == [1, 1]
    first.kill()
    second.kill()


def test_the_death_of_a_process_releases_its_locks(path: Path) -> None:
    """Its open transaction is rolled back."""
    first, second = process_of(_in_with, path), process_of(_in_with, path)
    first.resume(task=GO)
    first.resume()
    first.kill()
    assert labels_of(second) == [INSERT, COMMIT]
    assert numbers(path) == [1]
    second.kill()


@pytest.mark.parametrize("set_up", ["timeout", "pragma"])
def test_a_lock_that_is_held_too_long_raises(path: Path, set_up: str) -> None:
    """After the timeout of the connection, in simulated time, the error of SQLite comes."""
    clock = VirtualClock()
    errors = []

    def body(connection: Any) -> None:
        if set_up == "pragma":
            connection.execute("PRAGMA busy_timeout = 2000")
        try:
            connection.execute("INSERT INTO number VALUES (1)")
        except sqlite3.OperationalError as error:
            errors.append(str(error))

    first = process_of(_in_with, path)
    second = process_of(body, path, clock, timeout=2 if set_up == "timeout" else 9)
    first.resume(task=GO)
    first.resume()
    second.resume(task=GO)
    assert second.resume().where is Where.BLOCKED
    clock.advance(1_900)
    assert second.resume().where is Where.BLOCKED
    clock.advance(100)
    assert second.resume().where is Where.REST
    assert errors == ["database is locked"]
    first.kill()
    second.kill()


def test_a_conflict_that_waiting_cannot_resolve_raises_at_once(path: Path) -> None:
    """A transaction that has read an old snapshot cannot write: SQLite does not wait, and neither do we."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    def reads_first(connection: Any) -> None:
        connection.execute("BEGIN")
        connection.execute("SELECT n FROM number").fetchall()
        connection.execute("INSERT INTO number VALUES (1)")

    first, second = process_of(reads_first, path, isolation_level=None), process_of(_in_with, path)
    first.resume(task=GO)
    first.resume()
    assert first.resume().label == INSERT
    assert labels_of(second) == [INSERT, COMMIT]
    died = first.resume()
    assert (died.where, died.error) == (Where.DEAD, "OperationalError: database is locked")
    second.kill()


def test_a_lazy_cursor_holds_its_lock_over_a_pause(path: Path) -> None:
    """Rows are fetched without a pause; a cursor that is not exhausted keeps others from committing."""
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO number VALUES (?)", [(1,), (2,)])
    connection.close()
    seen = []

    def body(connection: Any) -> None:
        rows = connection.execute("SELECT n FROM number")
        seen.append(next(rows))
        connection.execute("SELECT 1")
        seen.extend(rows)

    first, second = process_of(body, path), process_of(_in_with, path)
    first.resume(task=GO)
    assert first.resume().label == "SELECT#1"
    second.resume(task=GO)
    second.resume()
    assert second.resume().where is Where.BLOCKED
    assert first.resume().where is Where.REST
    assert seen == [(1,), (2,)]
    assert second.resume().where is Where.REST
    first.kill()
    second.kill()


def test_outside_a_process_nothing_is_stepped(path: Path) -> None:
    """The checker's own connections are those of `sqlite3`."""
    connection = sqlite3.connect(path)
    assert type(connection) is sqlite3.Connection
    connection.close()


def test_labels_and_statements() -> None:
    """A label is the verb and the table, however they are written."""
    assert label_of("select 1 from `task` where x") == "SELECT task"
    assert label_of("-- note\n INSERT OR REPLACE INTO [kv] VALUES (1)") == "INSERT kv"
    assert label_of("WITH a AS (SELECT 1) UPDATE job SET x = 1") == "UPDATE job"
    assert label_of("begin exclusive") == "BEGIN"
    assert statements_of("SELECT ';'; COMMIT;") == ("SELECT ';';", " COMMIT;")
