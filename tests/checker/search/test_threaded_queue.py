"""A queue whose worker has two threads: a fault between them is found, and the right one has no trouble."""

import pytest

from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.real.real_queue import confirm
from failure_modes.checker.search.queue_search import learn, search
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.subject.adapter import Topic, source_of
from tests.subjects.threaded_tables import RIGHT, SHARED

LOST = Hunt(kind=Kind.LOST, topic=Topic.KEEPS_WAITING)


@pytest.mark.parametrize("seed", range(3))
def test_a_fault_between_two_threads_is_found_and_shrunk(seed: int) -> None:
    """A thread deletes the job of the other one, which then fails: two jobs and a failure show it."""
    found = search(SHARED, LOST, seed=seed, runs=200).found
    assert found is not None
    shortest = shrink_moves(SHARED, found, learn(SHARED).work)
    assert shortest.trouble.text == "job-2 was started and is gone"
    assert [type(move).__name__ for move in shortest.moves] == ["Enqueue", "Enqueue", "FailJob"]
    assert play(RIGHT, shortest.moves) is None


def test_threads_of_the_system_show_the_same() -> None:
    """In a real process each thread is one of the system's; they take the same turns."""
    found = search(SHARED, LOST, seed=0, runs=200).found
    assert found is not None
    moves = shrink_moves(SHARED, found).moves
    virtual = play(SHARED, moves, target=LOST)
    real = confirm(source_of("tests.subjects.threaded_tables:SHARED"), moves, LOST)
    assert virtual is not None
    assert real is not None
    assert real.trouble == virtual.trouble
    assert confirm(source_of("tests.subjects.threaded_tables:RIGHT"), moves, None) is None


def test_the_right_threads_have_no_trouble() -> None:
    """No kind of trouble is found, although processes with two threads are stopped and killed."""
    result = search(RIGHT, None, seed=0, runs=100)
    assert result.found is None
    for reached in ("killed before a statement", "killed in a job", "a job failed"):
        assert result.sometimes[reached] > 0, reached
