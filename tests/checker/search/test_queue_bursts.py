"""Each burst makes the moves that its description promises: one that does less meets no danger.

The draws are fixed: the first of a choice, and one number for every chance.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import asdict, evolve

from failure_modes.checker.experiment.moves import HOUSEKEEPER, FailJob, Housekeep, Move, Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.overtaking import PASSED_OVER_MAX
from failure_modes.checker.search.queue_bursts import (
    BURSTS,
    IN_JOB,
    Card,
    Draw,
    Labels,
    Mix,
    deck_of,
    lease_of,
)
from failure_modes.checker.simulation.foreign import OPENING
from failure_modes.checker.subject.adapter import Topic
from model.actions import Crash, Enqueue, Tick
from tests.subjects.tables import RIGHT

OPENS = f"{OPENING}connect#1"
LABELS = Labels(work=(OPENS, "SELECT#1", "UPDATE#1"), housekeeping=("DELETE#1",))
LEASE, KEEP, ONE = Tick(seconds=lease_of(RIGHT)), Housekeep(), Enqueue(key="job-1")
A, B = Work(worker="A"), Work(worker="B")
AT, AT_B = Work(worker="A", until="X"), Work(worker="B", until="Y")
KEEPS = "housekeep_kill", "housekeep_stall"
SELDOM, OFTEN = 0.99, 0.0
"""What `random` gives: no chance comes true, or every one."""


class Fixed(random.Random):
    """Chance that always gives the same."""

    def __init__(self, number: float = OFTEN) -> None:
        super().__init__(0)
        self.number = number
        self.weights: dict[str, float] = {}

    def random(self) -> float:
        """The number."""
        return self.number

    def choice(self, seq: Any) -> Any:
        """The first."""
        return seq[0]

    def choices(self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
        """The last, so often; the weights are noted."""
        assert cum_weights is None
        self.weights = dict(zip(population, weights, strict=True))
        return [population[-1]] * k

    def randint(self, a: int, b: int) -> int:
        """The greatest."""
        del a
        return b


def _draw(number: float = OFTEN, **mix: int) -> Draw:
    return Draw(RIGHT, LABELS, Mix(**mix), Fixed(number))


KILLED: tuple[Move, ...] = (AT, Crash(worker="A"))
STREAM = tuple([Enqueue(key=f"job-{number + 2}") for number in range(PASSED_OVER_MAX + 1)])
MOVES: dict[str, tuple[str, float, Sequence[Move]]] = {
    "a worker stalls, and housekeeping runs": ("stall", OFTEN, (AT, LEASE, KEEP, AT_B, A)),
    "a worker stalls": ("stall", SELDOM, (AT, LEASE, AT_B, A)),
    "a worker is killed, and its lease runs out": ("kill", OFTEN, (*KILLED, LEASE, KEEP)),
    "a worker is killed": ("kill", SELDOM, KILLED),
    "two workers interleave": ("interleave", OFTEN, (AT, AT_B, A)),
    "each worker stalls": (
        "stall_each",
        OFTEN,
        (AT, LEASE, KEEP, Work(worker="B", until="X"), LEASE, KEEP),
    ),
    "each attempt is killed": ("kill_each", OFTEN, (*KILLED, LEASE, KEEP) * (RIGHT.attempts_max or 0)),
    "a killed worker begins again": ("restart", OFTEN, (*KILLED, A)),
    "a worker stalls, goes on and is killed": (
        "stall_kill",
        OFTEN,
        (AT, LEASE, KEEP, Work(worker="A", until="Y"), Crash(worker="A")),
    ),
    "work": ("work", OFTEN, (A,)),
    "an enqueue": ("enqueue", OFTEN, (Enqueue(key="job-2"),)),
    "housekeeping": ("housekeep", OFTEN, (KEEP,)),
    "housekeeping stalls": (
        "housekeep_stall",
        SELDOM,
        (Work(worker="A", until="Y"), LEASE, Housekeep(until="X"), A, KEEP),
    ),
    "housekeeping stalls and is killed": (
        "housekeep_stall",
        OFTEN,
        (Work(worker="A", until="Y"), LEASE, Housekeep(until="X"), Crash(worker=HOUSEKEEPER)),
    ),
    "housekeeping is killed": (
        "housekeep_kill",
        OFTEN,
        (LEASE, Housekeep(until="X"), Crash(worker=HOUSEKEEPER)),
    ),
    "a new job fails": ("fail", OFTEN, (Enqueue(key="job-2"), FailJob(key="job-2"), A)),
    "time passes": ("tick", OFTEN, (LEASE,)),
    "a failure comes too late": (
        "stale_failure",
        OFTEN,
        (Work(worker="A", until=IN_JOB), LEASE, KEEP, AT_B, FailJob(key="job-1"), A, A),
    ),
    "jobs come all at once": ("stream", SELDOM, (*STREAM, A)),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_burst_has_its_moves(name: str) -> None:
    """After a first job."""
    burst, number, moves = MOVES[name]
    assert _draw(number, jobs=9).moves_of(Card(burst=burst, until="X", second="Y")) == (ONE, *moves)


def test_a_stream_may_be_paced_by_a_worker() -> None:
    """After each enqueue the worker goes on to the next job."""
    paced = [Work(worker="A", until=f"HANDLE#{number}") for number in range(1, PASSED_OVER_MAX + 1)]
    later = [move for pair in zip(STREAM[1:], paced, strict=True) for move in pair]
    assert _draw(OFTEN, jobs=9).moves_of(Card(burst="stream")) == (ONE, STREAM[0], *later, A)


def test_no_more_jobs_than_the_mix_says() -> None:
    """Then a failure is of a job that is there."""
    draw = _draw(jobs=1)
    assert draw.moves_of(Card(burst="fail")) == (ONE, FailJob(key="job-1"), A)
    assert draw.moves_of(Card(burst="enqueue")) == ()


def test_a_job_may_fail_first() -> None:
    """The card says so."""
    card = Card(burst="housekeep", fails_first=True)
    assert _draw().moves_of(card) == (ONE, FailJob(key="job-1"), A, KEEP)


def test_without_a_maximum_a_few_attempts_are_killed() -> None:
    """The burst must end."""

    class Forever(type(RIGHT)):  # type: ignore[misc]
        attempts_max = None

    moves = Draw(Forever(), LABELS, Mix(), Fixed()).moves_of(Card(burst="kill_each", until="X"))
    assert moves == (ONE, *(*KILLED, LEASE, KEEP) * 3)


def test_a_run_has_as_many_bursts_as_the_mix_allows_by_its_weights() -> None:
    """Each burst is drawn as often as its weight says."""
    chance = Fixed(SELDOM)
    mix = Mix(bursts=2, jobs=2)
    assert Draw(RIGHT, LABELS, mix, chance).moves() == (ONE, Enqueue(key="job-2"), A, A)
    assert chance.weights == {name: getattr(mix, name) for name in BURSTS}
    assert set(BURSTS) == set(asdict(mix)) - {"bursts", "jobs"}


@pytest.mark.parametrize(
    ("burst", "until"),
    [("stall", "SELECT#1"), ("housekeep_stall", "DELETE#1"), ("housekeep_kill", "DELETE#1")],
)
def test_a_burst_stops_at_a_boundary_of_the_process_that_it_stops(burst: str, until: str) -> None:
    """The housekeeper has boundaries of its own."""
    draw = Draw(RIGHT, LABELS, Mix(**{**dict.fromkeys(BURSTS, 0), burst: 1}), _Always(burst))
    stops = [move.until for move in draw.moves() if isinstance(move, Work | Housekeep) and move.until]
    assert until in stops


class _Always(Fixed):
    """Chance that draws one burst."""

    def __init__(self, burst: str) -> None:
        super().__init__()
        self.burst = burst

    def choices(self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
        """That burst, once."""
        del population, weights, cum_weights, k
        return [self.burst]


@pytest.mark.parametrize(("number", "until"), [(0.84, "SELECT#1"), (0.85, OPENS)])
def test_a_process_seldom_stops_while_it_opens_its_queue(number: float, until: str) -> None:
    """It stops there in fifteen of a hundred runs; without another boundary, always."""
    chance = _Always("interleave")
    chance.number = number
    assert Work(worker="A", until=until) in Draw(RIGHT, LABELS, Mix(), chance).moves()
    opens = evolve(LABELS, work=(OPENS,))
    assert Work(worker="A", until=OPENS) in Draw(RIGHT, opens, Mix(), chance).moves()


def test_a_mix_is_restricted_to_what_a_kind_is_about() -> None:
    """Other kinds are hunted with every burst."""
    mix = Mix(work=7)
    restricted = {
        "beyond": mix.restricted(Hunt(kind=Kind.BEYOND)),
        "starved": mix.restricted(Hunt(kind=Kind.STARVED)),
        "fenced": mix.restricted(Hunt(kind=Kind.AT_ONCE, topic=Topic.FENCED)),
        "lost": mix.restricted(Hunt(kind=Kind.LOST)),
        "stuck": mix.restricted(Hunt(kind=Kind.STUCK)),
    }
    assert restricted == {
        "beyond": Mix(fail=3, kill=5, stall_each=4, kill_each=4),
        "starved": Mix(stream=8, jobs=PASSED_OVER_MAX + 3),
        "fenced": Mix(stale_failure=4),
        "lost": Mix(fail=4, housekeep_kill=4),
        "stuck": mix,
    }


def test_the_deck_has_each_burst_at_each_boundary_once() -> None:
    """A process that opens its queue has no job, so little can happen to it; one stream is for one hunt."""
    labels = Labels(work=(OPENS, "UPDATE#1"), housekeeping=("DELETE#1",))
    starved, lost = Hunt(kind=Kind.STARVED), Hunt(kind=Kind.LOST)
    deck = deck_of(labels, (lost,))
    work = [(card.burst, card.second) for card in deck if card.until == "UPDATE#1"]
    assert [card.burst for card in deck if card.until == OPENS] == ["kill", "stall"]
    assert work == [
        ("kill", None),
        ("stall", None),
        ("stall", IN_JOB),
        ("interleave", IN_JOB),
        ("interleave", None),
        ("kill_each", None),
        ("stall_each", None),
        ("restart", None),
        ("stall_kill", IN_JOB),
    ]
    assert [(card.burst, card.second, card.fails_first) for card in deck if card.until == "DELETE#1"] == [
        (burst, second, fails)
        for fails in (False, True)
        for burst, second in (
            ("housekeep_kill", None),
            ("housekeep_stall", IN_JOB),
            ("housekeep_stall", None),
        )
    ]
    assert deck_of(labels, (starved, lost)) == (Card(burst="stream"), *deck)
    assert deck_of(labels, (starved,)) == (Card(burst="stream"),)


def test_a_lease_has_run_out_a_second_later() -> None:
    """Not at its last moment."""
    assert lease_of(RIGHT) == RIGHT.lease_seconds + 1
