"""The seam of Redis: redis-py pauses its process before each command, and answers as with a server."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from failure_modes.checker.simulation.foreign import Arrival, ForeignContext, Task, Where
from failure_modes.checker.simulation.foreign_world import ForeignWorld
from failure_modes.checker.simulation.seams.redis import SOCKET, RedisSeam, label_of
from failure_modes.checker.support.errors import NotInstalled, SubjectError

GO = Task(name="go")
Body = Callable[[Any, ForeignContext], object]
Make = Callable[..., ForeignWorld]


def connect(place: Path, **options: Any) -> Any:
    """A client of the run's server."""
    return redis.Redis(unix_socket_path=str(place / SOCKET), **options)


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes a world in which each process runs its body once for each task, with one client."""
    made: list[ForeignWorld] = []

    def make(*, client: Callable[[Path], Any] = connect, **bodies: Body) -> ForeignWorld:
        def programs(place: Path) -> dict[str, Callable[[ForeignContext], None]]:
            def program(context: ForeignContext) -> None:
                context.next_task()
                opened = client(place)
                while True:
                    bodies[context.name](opened, context)
                    context.next_task()

            return dict.fromkeys(bodies, program)

        made.append(ForeignWorld(programs, (RedisSeam(),), lambda _: None))
        return made[-1]

    yield make
    for world in made:
        world.close()


def walk(world: ForeignWorld, name: str = "A") -> list[str | None]:
    """The boundaries of one task."""
    found: list[str | None] = []
    arrival = world.resume(name, task=GO)
    while arrival.where not in (Where.REST, Where.DEAD, Where.BLOCKED):
        found.append(arrival.label)
        arrival = world.resume(name)
    return found


def test_a_command_a_transaction_and_a_script_are_one_step_each(make: Make) -> None:
    """A pipeline has one boundary, whatever it holds; a command that nobody notices has none."""

    def body(client: Any, _: ForeignContext) -> None:
        client.ping()
        client.set("a", 1)
        with client.pipeline() as pipeline:
            pipeline.incr("a").rpush("list:7:x", "one").execute()
        with client.pipeline(transaction=False) as pipeline:
            pipeline.get("a").get("b").execute()
        client.eval("return redis.call('GET', KEYS[1])", 1, "a", "fetch")
        assert client.info()["redis_version"]

    world = make(A=body)
    assert walk(world) == ["SET a#1", "MULTI INCRBY a#1", "PIPELINE GET a#1", "EVAL a fetch#1"]
    assert connect(world.folder).get("a") == b"2"


def test_a_watched_key_that_changes_is_noticed(make: Make) -> None:
    """WATCH, its reads and its transaction are stepped: another process may write between them."""
    errors: list[str] = []

    def body(client: Any, _: ForeignContext) -> None:
        with client.pipeline() as pipeline:
            pipeline.watch("a")
            read = pipeline.get("a")
            pipeline.multi()
            pipeline.set("a", f"{read} and more")
            try:
                pipeline.execute()
            except redis.WatchError:
                errors.append("watched")

    world = make(A=body, B=lambda client, _: client.set("a", "b"))
    for _ in range(3):
        arrival = world.resume("A", task=GO)
    assert arrival.label == "MULTI SET a#1"
    walk(world, "B")
    walk(world, "A")
    assert errors == ["watched"]


def test_a_time_to_live_follows_the_simulated_clock(make: Make) -> None:
    """A key expires when so much simulated time has passed."""
    world = make(A=lambda client, _: client.set("a", 1, ex=60))
    walk(world)
    client = connect(world.folder)
    world.advance(59_000)
    assert client.exists("a")
    world.advance(2_000)
    assert not client.exists("a")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_pop_that_waits_lets_its_timeout_pass(make: Make, arrives: bool) -> None:
    """It looks again after its timeout, and answers as the server would; other processes go on meanwhile."""
    found: list[Any] = []
    world = make(
        A=lambda client, _: found.append((client.blpop(["x", "y"], 5), client.blmove("y", "z", 5))),
        B=lambda client, _: client.rpush("y", "one", "two"),
    )
    world.resume("A", task=GO)
    assert world.resume("A").label == "SLEEP#1"
    if arrives:
        walk(world, "B")
    while world.resume("A").where is not Where.REST:
        pass
    assert found == [((b"y", b"one"), b"two") if arrives else (None, None)]
    assert world.now == (5_000 if arrives else 10_000)


def test_a_pop_that_waits_for_ever_is_blocked(make: Make) -> None:
    """It is tried again after another process has moved."""
    found: list[Any] = []
    world = make(
        A=lambda client, _: found.append(client.brpop("x", 0)), B=lambda client, _: client.lpush("x", "one")
    )
    assert walk(world, "A") == ["BRPOP x#1"]
    assert world.processes["A"].at.where is Where.BLOCKED
    walk(world, "B")
    assert world.resume("A").where is Where.REST
    assert found == [(b"x", b"one")]


def test_a_command_that_cannot_wait_is_refused(make: Make) -> None:
    """The message names the command."""
    world = make(A=lambda client, _: client.bzpopmin("x", 1))
    world.resume("A", task=GO)
    with pytest.raises(SubjectError, match="BZPOPMIN"):
        world.resume("A")


def test_a_dead_process_sends_nothing_more(make: Make) -> None:
    """Its `finally` raises again, so that the server never gets the command."""

    def body(client: Any, _: ForeignContext) -> None:
        try:
            client.set("a", 1)
        finally:
            client.set("b", 1)

    world = make(A=body)
    world.resume("A", task=GO)
    world.processes["A"].kill()
    assert connect(world.folder).keys() == []


def test_each_world_has_a_server_of_its_own(make: Make) -> None:
    """Nothing is left of an earlier run, and `redis` is as it was after it."""
    first = make(A=lambda client, _: client.set("a", 1))
    walk(first)
    first.close()
    assert connect(make().folder).keys() == []


@pytest.mark.parametrize("seconds", [5, 0])
def test_coroutines_reach_the_same_boundaries(make: Make, seconds: int) -> None:
    """redis.asyncio is stepped as redis is; while one task waits for a list, others go on."""
    found: list[Any] = []

    async def work(client: Any) -> None:
        waiting = client.blmove("x", "y", seconds)

        async def feed() -> None:
            async with client.pipeline() as pipeline:
                await pipeline.set("a", 1).rpush("x", "one").execute()

        found.extend(await asyncio.gather(waiting, feed()))

    def client_of(place: Path) -> Any:
        return redis.asyncio.Redis(unix_socket_path=str(place / SOCKET))

    world = make(client=client_of, A=lambda client, process: process.run(work(client)))
    labels = walk(world)
    assert labels == ["BLMOVE x#1", "MULTI SET a#1", "SLEEP#1"]
    assert found == [b"one", None]
    assert world.processes["A"].at == Arrival(where=Where.REST)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fakeredis the seam says in one line what to install."""
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with (
        pytest.raises(NotInstalled, match=r"pip install 'reliability-habits\[judge\]'"),
        RedisSeam().installed(),
    ):
        pass


def test_labels_leave_out_what_differs_from_run_to_run() -> None:
    """The parts of a key that have digits are those of jobs and processes."""
    assert label_of(("HSET", "rq:job:5f0c2a", "x", 1)) == "HSET rq:job"
    assert label_of(("lrem", b"queue:high", 1, "x")) == "LREM queue:high"
    assert label_of(("EVALSHA", "0a1b", 1, "dramatiq", "fetch", 7)) == "EVAL dramatiq fetch"
    assert label_of(("CLIENT SETNAME", "x")) is None


def test_the_members_of_a_set_come_in_one_order(make: Make) -> None:
    """The order in which Python keeps them differs from process to process, and a script sees it."""
    members = [f"{number:02}".encode() for number in range(20)]
    seen: list[bytes] = []

    def body(client: Any, _: ForeignContext) -> None:
        client.sadd("set", *reversed(members))
        seen.extend(client.eval("return redis.call('SMEMBERS', KEYS[1])", 1, "set"))

    walk(make(A=body))
    assert seen == members
