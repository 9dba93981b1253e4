"""The bursts of a random search over any queue: some moves together that lead to a dangerous moment.

"Worker A stops before `UPDATE job#1`, its lease runs out, housekeeping makes a pass, B works, A goes on":
single moves meet such a moment too rarely. The boundaries are learned from plain runs.

A run has bursts that are drawn, or is a *card*: one burst at one boundary. The deck has each burst at each
boundary once, so a search meets every one of them in a number of runs that is known, and no seed misses
one by bad luck. The draws depend on the seed alone.
"""

import random
from collections.abc import Callable, Mapping
from typing import ClassVar

from attrs import fields, frozen

from failure_modes.checker.experiment.moves import (
    HOUSEKEEPER,
    WORKERS,
    FailJob,
    Housekeep,
    Move,
    Moves,
    Work,
)
from failure_modes.checker.oracle.deliveries import Hunt, Kind
from failure_modes.checker.oracle.overtaking import PASSED_OVER_MAX
from failure_modes.checker.simulation.foreign import HANDLE, OPENING
from failure_modes.checker.subject.adapter import Adapter, Topic
from model.actions import Crash, Enqueue, Tick

INNER = 0.85
"""How often a process stops after it has opened its queue."""

IN_JOB = f"{HANDLE}#1"

LAST = ("restart", "stall_kill")
"""The bursts whose cards come when every other card is used up: few failures need them."""

REPEATS_DEFAULT = 3
"""How often a burst is repeated, if a job may run without a limit."""


@frozen(kw_only=True)
class Labels:
    """The boundaries of a queue: those of a worker, and those of its housekeeping."""

    work: tuple[str, ...]
    housekeeping: tuple[str, ...]


@frozen(kw_only=True)
class Mix:
    """How often each burst is drawn, how many jobs there are, and how many bursts a run has."""

    stall: int = 4
    kill: int = 4
    interleave: int = 3
    work: int = 2
    enqueue: int = 2
    housekeep: int = 1
    housekeep_stall: int = 4
    housekeep_kill: int = 2
    fail: int = 1
    tick: int = 1
    stale_failure: int = 0
    stall_each: int = 1
    kill_each: int = 1
    restart: int = 0
    stall_kill: int = 0
    stream: int = 0
    bursts: int = 5
    jobs: int = 3

    def restricted(self, hunt: Hunt) -> "Mix":
        """The mix for one kind of trouble: failures, deaths and leases are what some kinds are about."""
        if hunt.kind is Kind.BEYOND:
            return Mix(fail=3, kill=5, stall_each=4, kill_each=4)
        if hunt.kind is Kind.STARVED:
            return Mix(stream=8, jobs=PASSED_OVER_MAX + 3)
        if hunt.topic is Topic.FENCED:
            return Mix(stale_failure=4)
        return Mix(fail=4, housekeep_kill=4) if hunt.kind is Kind.LOST else self


@frozen(kw_only=True)
class Card:
    """One burst at one boundary. `until` is where a worker stops, or the housekeeper in its bursts."""

    burst: str
    until: str | None = None
    second: str | None = None
    """Where the other worker stops, None if it does not; or the worker that housekeeping overtakes; or where
    a worker that was late is killed."""
    fails_first: bool = False
    """True if a job fails before the burst."""


def deck_of(labels: Labels, hunts: tuple[Hunt, ...]) -> tuple[Card, ...]:
    """Each burst at each boundary, for these hunts."""
    cards: list[Card] = []
    if any(hunt.kind is Kind.STARVED for hunt in hunts):
        cards.append(Card(burst="stream"))
    if all(hunt.kind is Kind.STARVED for hunt in hunts):
        return tuple(cards)
    for until in labels.work:
        cards += [Card(burst="kill", until=until), Card(burst="stall", until=until)]
        if until.startswith(OPENING):
            continue  # a process that opens its queue has no job
        cards.append(Card(burst="stall", until=until, second=IN_JOB))
        cards += [Card(burst="interleave", until=until, second=second) for second in (IN_JOB, None)]
        cards += [Card(burst=name, until=until) for name in ("kill_each", "stall_each", "restart")]
        cards.append(Card(burst="stall_kill", until=until, second=IN_JOB))
    for until in labels.housekeeping:
        for fails_first in (False, True):
            cards.append(Card(burst="housekeep_kill", until=until, fails_first=fails_first))
            for second in (IN_JOB, None):
                card = Card(burst="housekeep_stall", until=until, second=second, fails_first=fails_first)
                cards.append(card)
    return tuple(cards)


class Draw:
    """Draws the bursts of one run."""

    def __init__(self, adapter: Adapter, labels: Labels, mix: Mix, chance: random.Random) -> None:
        self._labels = labels
        self._mix = mix
        self._chance = chance
        self._lease = Tick(seconds=lease_of(adapter))
        self._repeats = adapter.attempts_max or REPEATS_DEFAULT
        self._keys = 0

    def moves(self) -> Moves:
        """The moves of one run: some jobs first, then bursts."""
        found = self._first_jobs()
        weights = [getattr(self._mix, name) for name in BURSTS]
        for name in self._chance.choices(BURSTS, weights, k=self._chance.randint(1, self._mix.bursts)):
            found += self._burst(self._drawn(name))
        return tuple(found)

    def moves_of(self, card: Card) -> Moves:
        """The moves of one run: some jobs first, then the burst of the card."""
        found = self._first_jobs()
        if card.fails_first:
            found += [FailJob(key="job-1"), *self._work()]
        return (*found, *self._burst(card))

    def _burst(self, card: Card) -> list[Move]:
        return self._MAKERS[card.burst](self, card)

    def _drawn(self, burst: str) -> Card:
        """The burst with a boundary that is drawn."""
        housekeeps = burst in ("housekeep_stall", "housekeep_kill")
        until = self._of(self._labels.housekeeping if housekeeps else self._labels.work)
        return Card(burst=burst, until=until, second=self._second())

    def _first_jobs(self) -> list[Move]:
        return [move for _ in range(self._chance.choice((1, 1, 2))) for move in self._enqueue()]

    def _pair(self) -> tuple[str, str]:
        one = self._chance.choice(WORKERS)
        return one, next(name for name in WORKERS if name != one)

    def _of(self, labels: tuple[str, ...]) -> str | None:
        """One of the labels; seldom one at which a fresh process opens its queue."""
        inner = [label for label in labels if not label.startswith(OPENING)]
        if not labels:
            return None
        return self._chance.choice(inner if inner and self._chance.random() < INNER else labels)

    def _second(self) -> str | None:
        """Where the second worker stops: in a job, anywhere, or nowhere."""
        return self._chance.choice((IN_JOB, self._of(self._labels.work), None))

    def _enqueue(self) -> list[Move]:
        if self._keys == self._mix.jobs:
            return []
        self._keys += 1
        return [Enqueue(key=f"job-{self._keys}")]

    def _work(self) -> list[Move]:
        return [Work(worker=self._chance.choice(WORKERS))]

    def _stall(self, card: Card) -> list[Move]:
        one, other = self._pair()
        middle: list[Move] = [self._lease]
        if self._chance.random() < 0.8:
            middle.append(Housekeep())
        middle.append(Work(worker=other, until=card.second))
        return [Work(worker=one, until=card.until), *middle, Work(worker=one)]

    def _kill(self, card: Card) -> list[Move]:
        one, _ = self._pair()
        after: list[Move] = [self._lease, Housekeep()] if self._chance.random() < 0.5 else []
        return [Work(worker=one, until=card.until), Crash(worker=one), *after]

    def _interleave(self, card: Card) -> list[Move]:
        one, other = self._pair()
        return [Work(worker=one, until=card.until), Work(worker=other, until=card.second), Work(worker=one)]

    def _stall_each(self, card: Card) -> list[Move]:
        """One worker after the other stops there past its lease, and none goes on."""
        first, second = self._pair()
        after: list[Move] = [self._lease, Housekeep()]
        return [Work(worker=first, until=card.until), *after, Work(worker=second, until=card.until), *after]

    def _kill_each(self, card: Card) -> list[Move]:
        """So many workers are killed there that no attempt is left."""
        found: list[Move] = []
        for _ in range(self._repeats):
            one, _ = self._pair()
            found += [Work(worker=one, until=card.until), Crash(worker=one), self._lease, Housekeep()]
        return found

    def _restart(self, card: Card) -> list[Move]:
        """A worker is killed there, and a fresh one works before a lease can have run out."""
        one, other = self._pair()
        fresh = self._chance.choice((one, other))
        return [Work(worker=one, until=card.until), Crash(worker=one), Work(worker=fresh)]

    def _stall_kill(self, card: Card) -> list[Move]:
        """A worker stops there past its lease, and housekeeping passes; it goes on, and is killed later."""
        one, _ = self._pair()
        stalled: list[Move] = [Work(worker=one, until=card.until), self._lease, Housekeep()]
        return [*stalled, Work(worker=one, until=card.second), Crash(worker=one)]

    def _housekeep(self) -> list[Move]:
        return [Housekeep()]

    def _housekeep_stall(self, card: Card) -> list[Move]:
        """A worker stops past its lease; housekeeping stops in its pass; both go on, or one is killed."""
        one, other = self._pair()
        then: list[Move] = [Work(worker=self._chance.choice((one, other))), Housekeep()]
        if self._chance.random() < 0.3:
            then = [Crash(worker=HOUSEKEEPER)]
        until = card.second or self._of(self._labels.work)
        return [Work(worker=one, until=until), self._lease, Housekeep(until=card.until), *then]

    def _housekeep_kill(self, card: Card) -> list[Move]:
        return [self._lease, Housekeep(until=card.until), Crash(worker=HOUSEKEEPER)]

    def _fail(self) -> list[Move]:
        """A job fails: a new one, or one that waits already."""
        new = self._enqueue()
        key = f"job-{self._keys if new else self._chance.randint(1, max(self._keys, 1))}"
        return [*new, FailJob(key=key), *self._work()]

    def _stale_failure(self, card: Card) -> list[Move]:
        """A worker stalls in a job past its lease; another takes the job; then the first fails."""
        one, other = self._pair()
        key = f"job-{self._chance.randint(1, max(self._keys, 1))}"
        stalled: list[Move] = [Work(worker=one, until=IN_JOB), self._lease, Housekeep()]
        taken: list[Move] = [Work(worker=other, until=card.second), FailJob(key=key)]
        return [*stalled, *taken, Work(worker=one), Work(worker=one)]

    def _stream(self) -> list[Move]:
        """Jobs come as fast as a worker ends them, or all before it begins."""
        one, _ = self._pair()
        paced = self._chance.random() < 0.5
        found: list[Move] = self._enqueue()
        for number in range(1, PASSED_OVER_MAX + 1):
            found += self._enqueue()
            if paced:
                found.append(Work(worker=one, until=f"{HANDLE}#{number}"))
        return [*found, Work(worker=one)]

    def _tick(self) -> list[Move]:
        return [self._chance.choice((self._lease, Tick(seconds=1)))]

    _MAKERS: ClassVar[Mapping[str, Callable[["Draw", Card], list[Move]]]] = {
        "stall": _stall,
        "kill": _kill,
        "interleave": _interleave,
        "work": lambda self, _: self._work(),
        "enqueue": lambda self, _: self._enqueue(),
        "housekeep": lambda self, _: self._housekeep(),
        "housekeep_stall": _housekeep_stall,
        "housekeep_kill": _housekeep_kill,
        "fail": lambda self, _: self._fail(),
        "tick": lambda self, _: self._tick(),
        "stale_failure": _stale_failure,
        "stall_each": _stall_each,
        "kill_each": _kill_each,
        "restart": _restart,
        "stall_kill": _stall_kill,
        "stream": lambda self, _: self._stream(),
    }


BURSTS = tuple([each.name for each in fields(Mix) if each.name not in ("bursts", "jobs")])
"""The names of the bursts."""


def lease_of(adapter: Adapter) -> float:
    """A little more than the lease."""
    return adapter.lease_seconds + 1
