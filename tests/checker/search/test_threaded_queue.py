"""A queue whose worker has two threads: a fault between them is found, and the right one has no trouble."""

import pytest

from failure_modes.checker.experiment.moves import FailJob, Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.oracle.queue_world import virtual_world
from failure_modes.checker.real.real_queue import confirm, real_world
from failure_modes.checker.search.queue_search import learn, search
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.simulation.foreign import Arrival
from failure_modes.checker.subject.adapter import Topic, source_of
from model.actions import Crash, Enqueue, Tick
from tests.subjects.threaded_tables import RIGHT, SHARED

TABLES = "tests.subjects.threaded_tables"
LOSES: Moves = (Enqueue(key="job-1"), Enqueue(key="job-2"), FailJob(key="job-2"))
"""The shortest run in which the table with the shared variable loses a job."""

LOST = Hunt(kind=Kind.LOST, topic=Topic.KEEPS_WAITING)


@pytest.mark.parametrize("seed", range(3))
def test_a_fault_between_two_threads_is_found_and_shrunk(seed: int) -> None:
    """A thread deletes the job of the other one, which then fails: two jobs and a failure show it."""
    found = search(SHARED, LOST, seed=seed, runs=200).found
    assert found is not None
    shortest = shrink_moves(SHARED, found, learn(SHARED).work)
    assert shortest.trouble.text == "job-2 was started and is gone"
    assert shortest.moves == LOSES
    assert play(RIGHT, LOSES) is None


def test_threads_of_the_system_show_the_same() -> None:
    """In a real process each thread is one of the system's; they take the same turns."""
    virtual, real = play(SHARED, LOSES, target=LOST), confirm(source_of(f"{TABLES}:SHARED"), LOSES, LOST)
    assert virtual is not None
    assert real is not None
    assert real.trouble == virtual.trouble


def test_threads_reach_the_same_boundaries_in_both_worlds() -> None:
    """Move by move, stops and a kill included, a process is at the same place."""
    stops = [Work(worker="A", until=label) for label in ("HANDLE#1", "HANDLE#2", "DELETE job#2")]
    places: list[list[Arrival]] = []
    for run in (QueueRun(RIGHT), QueueRun(RIGHT, make_world=real_world(source_of(f"{TABLES}:RIGHT")))):
        places.append([])
        for move in (*LOSES, *stops, Crash(worker="A"), Tick(seconds=61), Housekeep(), Work(worker="A")):
            run.apply(move)
            places[-1].append(run.at("A"))
        run.close()
    assert places[0] == places[1]
    assert [one.label for one in places[0][3:6]] == [move.until for move in stops]


def test_a_real_process_has_threads_of_the_system() -> None:
    """SQLite refuses them the connection of another thread. The simulation does not see that."""
    source = source_of(f"{TABLES}:ONE_CONNECTION")
    ran = []
    for make_world in (virtual_world, real_world(source)):
        run = QueueRun(source.load(), make_world=make_world)
        run.apply(Enqueue(key="job-1"))
        run.apply(Work(worker="A"))
        ran.append("HANDLE#1" in run.labels)
        run.close()
    assert ran == [True, False]


def test_the_right_threads_have_no_trouble() -> None:
    """No kind of trouble is found, although processes with two threads are stopped and killed."""
    result = search(RIGHT, None, seed=0, runs=100)
    assert result.found is None
    for reached in ("killed before a statement", "killed in a job", "a job failed"):
        assert result.sometimes[reached] > 0, reached
