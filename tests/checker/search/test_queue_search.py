"""Any queue, from end to end: a table with a classic fault is found out, and the right table is not."""

import pytest

from failure_modes.checker.experiment.moves import Work, describe_move, move_from_json, move_to_json
from failure_modes.checker.oracle.deliveries import Hunt, Kind, Verdict, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.search.queue_search import learn, search
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.subject.adapter import Topic
from model.actions import Enqueue
from tests.subjects.tables import FAULTY, RIGHT

TWICE = (Enqueue(key="job-1"), Work(worker="A", until="UPDATE job#1"), Work(worker="B"))
"""The shortest run in which the faulty table runs a job again."""


@pytest.mark.parametrize("seed", range(3))
def test_the_fault_is_found_shrunk_and_judged(seed: int) -> None:
    """Each seed finds it, and shrinks it to the same three moves, against a claim of the table."""
    found = search(FAULTY, Hunt(kind=Kind.AGAIN, topic=Topic.MULTI_PROCESS), seed=seed, runs=500).found
    assert found is not None
    shortest = shrink_moves(FAULTY, found, learn(FAULTY).work)
    assert shortest.moves == TWICE
    assert verdict_of(claim_of(FAULTY, shortest.trouble.topic)) is Verdict.BREAKS


def test_a_replay_is_always_the_same() -> None:
    """A hundred replays of a run give one and the same trouble."""
    assert len({str(play(FAULTY, TWICE)) for _ in range(100)}) == 1


def test_two_at_once_is_found_as_well() -> None:
    """A search for one kind of trouble passes over the easier kind."""
    found = search(FAULTY, Hunt(kind=Kind.AT_ONCE), seed=0, runs=400).found
    assert found is not None
    assert found.trouble.kind is Kind.AT_ONCE


def test_the_right_table_has_no_trouble() -> None:
    """No kind of trouble is found in it, although the search meets the dangerous moments."""
    result = search(RIGHT, None, seed=0, runs=150)
    assert result.found is None
    for reached in ("killed before a statement", "killed in a job", "a job failed"):
        assert result.sometimes[reached] > 0, reached
    assert result.sometimes["a tick while a worker is paused"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_the_right_table_has_no_trouble_in_many_runs(seed: int) -> None:
    """There is no false alarm in 2,000 runs."""
    assert search(RIGHT, None, seed=seed, runs=500).found is None


def test_the_boundaries_are_learned() -> None:
    """No label is written by hand: the plain runs know the SELECT of the faulty table."""
    assert "SELECT job#1" in learn(FAULTY).work
    assert "SELECT job#1" not in learn(RIGHT).work
    assert learn(RIGHT).housekeeping == ("UPDATE job#1",)


def test_moves_survive_json() -> None:
    """A move read from its JSON form is the same move, and has words."""
    for move in TWICE:
        assert move_from_json(move_to_json(move)) == move
        assert describe_move(move).endswith(".")
