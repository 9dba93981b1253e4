"""A server that is restarted at once, as after a crash, under a live worker."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from system.postgresql.store import BEGIN
from system.queue import Queue
from system.store import Store
from tests.system.connections import Run, Watched, watching
from tests.system.databases import Database, PostgreSQL, effects
from tests.system.lives import Life
from tests.system.lives import life as life
from tests.system.processes import process

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server


@pytest.fixture
def server(postgresql_server: "Server") -> "Server":
    """A server that may be restarted."""
    if not postgresql_server.own:
        pytest.skip(f"{postgresql_server.describe()}: not started here, and so not restarted")
    return postgresql_server


@pytest.fixture
def database(postgresql_queue_dsn: str) -> Database:
    """A database of the server."""
    return PostgreSQL(postgresql_queue_dsn)


def writes_effect(history: list[str]) -> bool:
    """Whether the statement is the COMMIT of a transaction that has written an effect."""
    begun = len(history) - history[::-1].index(BEGIN)
    return history[-1] == "COMMIT" and any("INTO effects" in sql for sql in history[begun:])


WHEN: dict[str, Callable[[list[str]], bool]] = {
    "while it waits": lambda history: history == [BEGIN],
    "in its handler": lambda history: history[-1] == BEGIN and history.count(BEGIN) == 3,
    "within a transaction": lambda history: "INTO effects" in history[-1],
    "before a COMMIT": writes_effect,
    "during a COMMIT": writes_effect,
    "after a COMMIT that is unheard": writes_effect,
}


@pytest.mark.parametrize("when", WHEN)
def test_a_worker_lives_through_a_restart(life: Life, server: "Server", when: str) -> None:
    """Whenever the server is killed and recovers, nothing that was answered is lost, nor done twice."""
    history: list[str] = []
    struck: list[str] = []

    def around(watched: Watched, sql: str, run: Run) -> Any:
        history.append(sql)
        if not counting or struck or not WHEN[when](history):
            return run()
        struck.append(sql)
        if when.startswith("after"):
            run()
        elif when.startswith("during"):
            watched.connection.pgconn.send_query(b"COMMIT")
        server.restart()
        while watched.connection.pgconn.get_result():
            pass
        return run() if sql == BEGIN else watched.connection.execute("SELECT 'lost'")

    counting: list[bool] = []

    def begin() -> None:
        counting.append(True)
        history.clear()

    life.fill()
    told = life.live(watching(around), lambda: None, begin)
    assert len(struck) == 1
    assert [line.partition(":")[0] for line in told] == (
        [] if struck == [BEGIN] else ["worker A waits", "worker A goes on"]
    )


def test_a_real_worker_lives_through_restarts(
    server: "Server", place: Path, database: Database, opened: Store
) -> None:
    """A process of the command line, with a job in hand and without: each job is done once."""
    queue = Queue(store=opened)
    queue.enqueue(1)
    with process(place, "work", "handlers:obey", "--poll-seconds", "0.01", "--name", "A") as running:
        assert running.line() == "begun 1\n"
        server.restart()
        running.tell("return")
        while not opened.counts().succeeded:
            pass
        server.restart()
        second = queue.enqueue(2).id  # a crash leaves a gap in the ids
        assert running.line() == f"begun {second}\n"
        running.popen.send_signal(signal.SIGTERM)
        running.tell("return")
        code, _, err = running.end()
    assert code == 0
    assert effects(database) == [(1, '"obeyed"'), (second, '"obeyed"')]
    begins, *lines = err.splitlines()
    assert begins == "worker A begins"
    assert {line.partition(":")[0] for line in lines} == {"worker A waits", "worker A goes on"}
    assert [row.event for row in opened.audit(job_id=1)][-2:] == ["committed", "finished"]
    assert database.sound()
