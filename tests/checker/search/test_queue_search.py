"""Any queue, from end to end: a table with a classic fault is found out, and the right table is not."""

import random

import pytest

from failure_modes.checker.experiment.moves import (
    Housekeep,
    Work,
    describe_move,
    move_from_json,
    move_to_json,
)
from failure_modes.checker.oracle.deliveries import HUNTS, Hunt, Kind, Verdict, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.search.queue_bursts import IN_JOB, LAST, Draw, Mix, deck_of
from failure_modes.checker.search.queue_search import learn, plans_of, search, search_all
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.simulation.foreign import OPENING
from failure_modes.checker.subject.adapter import Topic
from model.actions import Crash, Enqueue
from tests.subjects.tables import FAULTY, NEWEST_FIRST, RIGHT

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


@pytest.mark.parametrize("seed", range(3))
def test_a_starved_job_is_found(seed: int) -> None:
    """With the newest job first, six jobs and one worker show it; the right table shows nothing."""
    starved = Hunt(kind=Kind.STARVED)
    found = search(NEWEST_FIRST, starved, seed=seed, runs=50).found
    assert found is not None
    shortest = shrink_moves(NEWEST_FIRST, found).moves
    assert shortest == tuple([Enqueue(key=f"job-{number}") for number in range(1, 7)])
    assert search(RIGHT, starved, seed=seed, runs=50).found is None


def test_one_search_finds_every_kind_that_is_there() -> None:
    """A run that finds trouble goes on, so the kinds of the faulty table do not hide each other."""
    results = search_all(FAULTY, HUNTS, seed=0, runs=200)
    found = {hunt.text for hunt, result in results.items() if result.found is not None}
    assert {"at once (multi_process)", "again (multi_process)", "again (fenced)"} <= found
    assert {"lost (keeps_jobs)", "stuck", "never run", "worker died", "starved"}.isdisjoint(found)
    for hunt, result in results.items():
        if result.found is None:
            assert result.runs == 200
        else:
            again = play(FAULTY, result.found.moves, target=hunt)
            assert again is not None
            assert again.trouble == result.found.trouble


def test_each_burst_meets_each_boundary() -> None:
    """The deck has each label once for each burst and second stop, and its moves stop there.

    Where a process opens its queue, two bursts are enough.
    """
    labels = learn(FAULTY)
    deck = deck_of(labels, HUNTS)
    assert len(set(deck)) == len(deck)
    assert {card.until for card in deck if card.burst == "kill"} == set(labels.work)
    stalls = [(card.until, card.second) for card in deck if card.burst == "stall"]
    opening = [label for label in labels.work if label.startswith(OPENING)]
    inner = [label for label in labels.work if label not in opening]
    assert inner
    assert sorted(stalls, key=str) == sorted(
        [*[(label, None) for label in labels.work], *[(label, IN_JOB) for label in inner]], key=str
    )
    kept = {card.until for card in deck if card.burst == "housekeep_kill"}
    assert kept == set(labels.housekeeping)
    for card in deck:
        moves = Draw(FAULTY, labels, Mix(), random.Random(0)).moves_of(card)
        stops = {move.until for move in moves if isinstance(move, Work | Housekeep)}
        assert card.until in stops or card.until is None


def test_the_last_cards_change_no_run_before_them() -> None:
    """They come when every other card is used up, so what needs no such card is found by the same run."""
    labels = learn(FAULTY)
    early = sum(card.burst not in LAST for card in deck_of(labels, HUNTS))
    plans = list(plans_of(FAULTY, labels, HUNTS, 0, 2 * early + 4))
    for moves in plans[2 * early + 1 :: 2]:
        killed = [number for number, move in enumerate(moves) if isinstance(move, Crash)]
        assert len(killed) == 1
        after = moves[killed[0] + 1 :]
        assert after == () or isinstance(after[0], Work)


def test_a_card_kills_as_often_as_a_job_may_run() -> None:
    """So no attempt is left after it."""
    labels = learn(RIGHT)
    card = next(one for one in deck_of(labels, HUNTS) if one.burst == "kill_each")
    moves = Draw(RIGHT, labels, Mix(), random.Random(0)).moves_of(card)
    assert sum(isinstance(move, Crash) for move in moves) == RIGHT.attempts_max


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
