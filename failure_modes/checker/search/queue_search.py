"""A random search over the moves of any queue, for one kind of trouble at a time.

It draws bursts, not single moves: "worker A stops before `UPDATE job#1`, its lease runs out, housekeeping
makes a pass, B works, A goes on". Single moves meet such a moment too rarely. The boundaries are learned
from plain runs. The draws depend on the seed alone. Hypothesis is not used here: `queue_machine.py` is the
same search with named rules, for the tests of a user.
"""

import random
from collections import Counter
from collections.abc import Callable

from attrs import field, fields, frozen

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
from failure_modes.checker.oracle.queue_run import QueueRun, Troubled
from failure_modes.checker.simulation.foreign import HANDLE, OPENING
from failure_modes.checker.subject.adapter import Adapter, Topic
from failure_modes.checker.support import interrupts
from model.actions import Crash, Enqueue, Tick
from system.clock import Stopwatch

LABELS_OFTEN_MAX = 4
"""A boundary that is reached more often than this in one task is not learned: it belongs to a loop."""

INNER = 0.85
"""How often a process stops after it has opened its queue."""

Progress = Callable[[int], None]


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
    bursts: int = 5
    jobs: int = 3

    def restricted(self, hunt: Hunt) -> "Mix":
        """The mix for one kind of trouble: failures, deaths and leases are what some kinds are about."""
        if hunt.kind is Kind.BEYOND:
            return Mix(fail=3, kill=5)
        if hunt.topic is Topic.FENCED:
            return Mix(stale_failure=4)
        return Mix(fail=4, housekeep_kill=4) if hunt.kind is Kind.LOST else self


@frozen(kw_only=True)
class SearchResult:
    """The result of a search. `found` is None if nothing was found in `runs` runs."""

    found: Troubled | None
    runs: int
    seconds: float
    sometimes: Counter[str] = field(factory=Counter)


def learn(adapter: Adapter) -> Labels:
    """Learn the boundaries from plain runs: of a job that succeeds, of one that fails, and of two."""
    work: list[str] = []
    housekeeping: list[str] = []
    lease = Tick(seconds=_lease(adapter))
    first: Moves = (Enqueue(key="job-1"), Work(worker="A"), Housekeep())
    second: Moves = (Enqueue(key="job-1"), FailJob(key="job-1"), Work(worker="A"), lease, Housekeep())
    third: Moves = (
        Enqueue(key="job-1"),
        Work(worker="A", until="HANDLE#1"),
        Crash(worker="A"),
        lease,
        Housekeep(),
        Work(worker="B"),
        Enqueue(key="job-2"),
        Enqueue(key="job-3"),
        Work(worker="B"),
    )
    for moves in (first, second, third):
        run = QueueRun(adapter)
        try:
            for move in moves:
                before = run.labels.copy(), run.housekeeping_labels.copy()
                run.apply(move)
                work += [label for label in run.labels - before[0] if label not in work]
                housekeeping += [
                    label for label in run.housekeeping_labels - before[1] if label not in housekeeping
                ]
        except Troubled:
            pass
        finally:
            run.close()
    few = [label for label in work if int(label.rpartition("#")[2]) <= LABELS_OFTEN_MAX]
    return Labels(work=tuple(few), housekeeping=tuple(housekeeping))


class Draw:
    """Draws the bursts of one run."""

    def __init__(self, adapter: Adapter, labels: Labels, mix: Mix, chance: random.Random) -> None:
        self._labels = labels
        self._mix = mix
        self._chance = chance
        self._lease = Tick(seconds=_lease(adapter))
        self._keys = 0
        self._names = [each.name for each in fields(Mix) if each.name not in ("bursts", "jobs")]
        self._weights = [getattr(mix, name) for name in self._names]

    def moves(self) -> Moves:
        """The moves of one run: some jobs first, then bursts."""
        found: list[Move] = []
        for _ in range(self._chance.choice((1, 1, 2))):
            found += self._enqueue()
        for name in self._chance.choices(
            self._names, self._weights, k=self._chance.randint(1, self._mix.bursts)
        ):
            found += getattr(self, f"_{name}")()
        return tuple(found)

    def _pair(self) -> tuple[str, str]:
        one = self._chance.choice(WORKERS)
        return one, next(name for name in WORKERS if name != one)

    def _label(self) -> str | None:
        return self._of(self._labels.work)

    def _of(self, labels: tuple[str, ...]) -> str | None:
        """One of the labels; seldom one at which a fresh process opens its queue."""
        inner = [label for label in labels if not label.startswith(OPENING)]
        if not labels:
            return None
        return self._chance.choice(inner if inner and self._chance.random() < INNER else labels)

    def _second(self) -> str | None:
        """Where the second worker stops: in a job, anywhere, or nowhere."""
        return self._chance.choice((f"{HANDLE}#1", self._label(), None))

    def _enqueue(self) -> list[Move]:
        if self._keys == self._mix.jobs:
            return []
        self._keys += 1
        return [Enqueue(key=f"job-{self._keys}")]

    def _work(self) -> list[Move]:
        return [Work(worker=self._chance.choice(WORKERS))]

    def _stall(self) -> list[Move]:
        one, other = self._pair()
        middle: list[Move] = [self._lease]
        if self._chance.random() < 0.8:
            middle.append(Housekeep())
        middle.append(Work(worker=other, until=self._second()))
        return [Work(worker=one, until=self._label()), *middle, Work(worker=one)]

    def _kill(self) -> list[Move]:
        one, _ = self._pair()
        after: list[Move] = [self._lease, Housekeep()] if self._chance.random() < 0.5 else []
        return [Work(worker=one, until=self._label()), Crash(worker=one), *after]

    def _interleave(self) -> list[Move]:
        one, other = self._pair()
        until = self._second()
        return [Work(worker=one, until=self._label()), Work(worker=other, until=until), Work(worker=one)]

    def _housekeep(self) -> list[Move]:
        return [Housekeep()]

    def _housekeep_stall(self) -> list[Move]:
        """A worker stops past its lease; housekeeping stops in its pass; both go on, or one is killed."""
        one, other = self._pair()
        if not self._labels.housekeeping:
            return self._stall()
        until = self._of(self._labels.housekeeping)
        then: list[Move] = [Work(worker=self._chance.choice((one, other))), Housekeep()]
        if self._chance.random() < 0.3:
            then = [Crash(worker=HOUSEKEEPER)]
        return [Work(worker=one, until=self._label()), self._lease, Housekeep(until=until), *then]

    def _housekeep_kill(self) -> list[Move]:
        until = self._of(self._labels.housekeeping)
        return [self._lease, Housekeep(until=until), Crash(worker=HOUSEKEEPER)]

    def _fail(self) -> list[Move]:
        """A job fails: a new one, or one that waits already."""
        new = self._enqueue()
        key = f"job-{self._keys if new else self._chance.randint(1, max(self._keys, 1))}"
        return [*new, FailJob(key=key), *self._work()]

    def _stale_failure(self) -> list[Move]:
        """A worker stalls in a job past its lease; another takes the job; then the first fails."""
        one, other = self._pair()
        key = f"job-{self._chance.randint(1, max(self._keys, 1))}"
        stalled: list[Move] = [Work(worker=one, until=f"{HANDLE}#1"), self._lease, Housekeep()]
        taken: list[Move] = [Work(worker=other, until=self._second()), FailJob(key=key)]
        return [*stalled, *taken, Work(worker=one), Work(worker=one)]

    def _tick(self) -> list[Move]:
        return [self._chance.choice((self._lease, Tick(seconds=1)))]


def search(
    adapter: Adapter,
    hunt: Hunt | None,
    *,
    seed: int,
    runs: int,
    seconds_max: float | None = None,
    labels: Labels | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Run random moves until the wanted trouble is found, or the runs or the seconds are used up."""
    labels = learn(adapter) if labels is None else labels
    mix = Mix() if hunt is None else Mix().restricted(hunt)
    stopwatch, sometimes = Stopwatch(), Counter[str]()
    for number in range(1, runs + 1):
        interrupts.check()
        chance = random.Random(f"{seed}:{number}")
        run = QueueRun(adapter, target=hunt)
        try:
            for move in Draw(adapter, labels, mix, chance).moves():
                if run.possible(move):
                    run.apply(move)
            run.finish()
        except Troubled as found:
            sometimes.update(run.sometimes)
            return SearchResult(found=found, runs=number, seconds=stopwatch.seconds, sometimes=sometimes)
        finally:
            run.close()
        sometimes.update(run.sometimes)
        if progress is not None:
            progress(number)
        if seconds_max is not None and stopwatch.seconds > seconds_max:
            return SearchResult(found=None, runs=number, seconds=stopwatch.seconds, sometimes=sometimes)
    return SearchResult(found=None, runs=runs, seconds=stopwatch.seconds, sometimes=sometimes)


def _lease(adapter: Adapter) -> float:
    """A little more than the lease."""
    return adapter.lease_seconds + 1
