"""A queue on Redis, from end to end: lists with a classic fault are found out, and the right ones are not."""

from pathlib import Path

import pytest
import redis

from failure_modes.checker.experiment.moves import Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.real.real_queue import confirm
from failure_modes.checker.search.queue_search import learn, search
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.simulation.seams.redis import SOCKET, RedisSeam
from failure_modes.checker.subject.adapter import source_of
from model.actions import Crash, Enqueue, Tick

FAULTY, RIGHT = source_of("tests.subjects.redis_lists:FAULTY"), source_of("tests.subjects.redis_lists:RIGHT")
POPPED: Moves = (
    Enqueue(key="job-1"),
    Work(worker="A", until="MULTI HSET jobs:status#1"),
    Crash(worker="A"),
)
"""The shortest run in which the faulty lists lose a job."""
RECOVERED: Moves = (
    Enqueue(key="job-1"),
    Work(worker="A", until="HANDLE#1"),
    Crash(worker="A"),
    Tick(seconds=31),
    Housekeep(),
    Work(worker="B"),
)


def test_the_fault_is_found_and_shrunk() -> None:
    """A job that is popped and not yet noted is nowhere when its worker is killed."""
    adapter = FAULTY.load()
    found = search(adapter, Hunt(kind=Kind.NEVER_RUN), seed=0, runs=200).found
    assert found is not None
    assert shrink_moves(adapter, found, learn(adapter).work).moves == POPPED


def test_the_right_lists_have_no_trouble() -> None:
    """No kind of trouble is found in them, although the search meets the dangerous moments."""
    result = search(RIGHT.load(), None, seed=0, runs=100)
    assert result.found is None
    for reached in ("killed before a statement", "killed in a job", "a tick while a worker is paused"):
        assert result.sometimes[reached] > 0, reached


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_right_lists_have_no_trouble_in_many_runs(seed: int) -> None:
    """There is no false alarm in 2,000 runs."""
    assert search(RIGHT.load(), None, seed=seed, runs=500).found is None


def test_a_replay_is_always_the_same() -> None:
    """Each replay of a run gives one and the same trouble."""
    assert len({str(play(FAULTY.load(), POPPED)) for _ in range(20)}) == 1


def test_a_real_server_shows_the_same() -> None:
    """Real processes at a real server lose the job; the right lists recover it there."""
    virtual, real = play(FAULTY.load(), POPPED), confirm(FAULTY, POPPED, None)
    assert virtual is not None
    assert real is not None
    assert real.trouble == virtual.trouble
    assert confirm(RIGHT, POPPED, None) is None
    assert confirm(RIGHT, RECOVERED, None) is None


def test_a_time_to_live_of_a_real_server_follows_the_simulated_clock(tmp_path: Path) -> None:
    """Ten simulated seconds shorten it by ten; a key without one stays."""
    seam = RedisSeam()
    with seam.served(tmp_path), redis.Redis(unix_socket_path=str(tmp_path / SOCKET)) as client:
        client.set("short", 1, ex=8)
        client.set("long", 1, ex=60)
        client.set("for ever", 1)
        seam.age(tmp_path, 10_000)
        assert sorted(client.keys()) == [b"for ever", b"long"]
        assert 40_000 < client.pttl("long") <= 50_000
        assert client.pttl("for ever") == -1
