"""A server that is gone for a while: connections cut at any statement, refused, and restarts."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from system.clock import ManualClock
from system.postgresql import Connect, PostgreSQLStore
from system.postgresql.store import BEGIN
from system.queue import Queue
from system.store import StoreUnavailable
from tests.system.connections import Moments, Run, Unheard, Watched, watching
from tests.system.lives import START, Life
from tests.system.lives import life as life
from tests.system.outages import KEYS, LONG, SHORT, error_of

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server


def kinds(stories: list[list[str]]) -> set[tuple[str, ...]]:
    """What was told, without why."""
    return {tuple([line.partition(":")[0] for line in told]) for told in stories}


WAITED = ("worker A waits", "worker A goes on")


def test_a_worker_lives_through_a_cut_before_any_statement(life: Life) -> None:
    """Whichever statement comes next when its connection is cut, it connects anew; each job succeeds once.

    Where it was in no transaction nobody notices; else it says once why it waits, and that it goes on.
    """
    stories: dict[str, list[list[str]]] = {"BEGIN": [], "another": []}
    for number in itertools.count(1):
        life.fill()
        moments = Moments(number, life.cut)
        told = life.live(watching(moments.around), lambda: None, moments.begin)
        if moments.struck is None:
            break
        stories["BEGIN" if moments.struck == BEGIN else "another"].append(told)
        for line in told[::2]:
            assert line.endswith("the connection was ended from the server's side"), line
    assert number > 60
    assert kinds(stories["BEGIN"]) == {()}
    assert kinds(stories["another"]) == {WAITED}


def test_a_commit_that_was_done_unheard_is_done_once(life: Life) -> None:
    """Whichever COMMIT is done, and its answer lost: no effect comes twice, and no job is stuck."""
    stories = []
    for number in itertools.count(1):
        life.fill()
        unheard = Unheard(number, life.cut)
        stories.append(life.live(watching(unheard.around), lambda: None, unheard.begin))
        if unheard.seen < number:
            break
    assert number - 1 >= 13, "each transaction of two jobs and three attempts"
    assert stories.pop() == []
    assert kinds(stories) == {WAITED}


@pytest.fixture
def refusing(life: Life, postgresql_server: "Server") -> Iterator[Callable[[bool], None]]:
    """Lets the database refuse new connections, or take them."""
    with psycopg.connect(postgresql_server.dsn, autocommit=True) as connection:

        def refuse(refused: bool) -> None:
            connection.execute(f'ALTER DATABASE "{life.name}" ALLOW_CONNECTIONS {not refused}')

        yield refuse
        refuse(False)


@pytest.mark.parametrize("lasts", [SHORT, LONG], ids=["within the lease", "past the lease"])
def test_a_worker_lives_through_a_server_that_refuses_it(
    life: Life, refusing: Callable[[bool], None], lasts: int
) -> None:
    """Cut before whichever statement, and refused for a while: it waits, and each job succeeds once."""

    def strike(watched: Watched) -> None:
        life.cut(watched)
        refusing(True)

    stories = []
    for number in itertools.count(1):
        life.fill()
        moments = Moments(number, strike)
        told = life.live(watching(moments.around), partial(refusing, False), moments.begin, lasts)
        if moments.struck is None:
            break
        stories.append(told)
        assert "is not currently accepting connections" in told[-2]
    assert number > 60
    assert {tuple(line.partition(":")[0] for line in told) for told in stories} == {
        WAITED,
        (WAITED[0], *WAITED),
    }


def ask(dsn: str, connect: Connect, key: str) -> bool:
    """Enqueue as the command does. Whether the job existed."""
    with closing(PostgreSQLStore(dsn, clock=ManualClock(START), connect=connect)) as store:
        return Queue(store=store).accept(key, key=key).existed


@pytest.mark.parametrize("unheard", [False, True])
def test_what_a_producer_was_told_is_so(life: Life, unheard: bool) -> None:
    """Whichever statement fails first, from connecting on: what was answered is there, and no job twice."""
    failed: Counter[bool] = Counter()
    for number in itertools.count(1):
        life.fill()
        moments = Unheard(number, life.cut) if unheard else Moments(number, life.cut)
        moments.begin()
        error = error_of(lambda moments=moments: ask(life.dsn, watching(moments.around), "c"))  # type: ignore[misc]
        failed[error is not None] += 1
        assert error is None or isinstance(error, StoreUnavailable)
        assert error is None or str(error).startswith("postgresql://")
        existed = ask(life.dsn, watching(lambda _, __, run: run()), "c")
        assert existed or error is not None
        assert existed or not unheard
        assert [job.key for job in life.observer.jobs()] == [*KEYS, "c"]
        if moments.seen < number:
            break
    assert failed[True] >= (1 if unheard else 8)


def test_what_is_read_is_read_again_on_a_new_connection(life: Life) -> None:
    """A cut between two reads is not noticed; one that cannot be made good is told."""
    life.fill()
    held: list[Watched] = []

    def remember(watched: Watched, _: str, run: Run) -> object:
        held.append(watched)
        return run()

    connect = watching(remember)
    with closing(PostgreSQLStore(life.dsn, clock=ManualClock(), connect=connect)) as store:
        for read in (store.jobs, store.executions, store.counts, lambda: list(store.audit()), store.breaker):
            before = read()
            life.cut(held[-1])
            assert read() == before
