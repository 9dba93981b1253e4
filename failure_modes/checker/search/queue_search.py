"""A random search over the moves of any queue, for one kind of trouble or for many in the same runs.

Every second run is a card of the shuffled deck, until the deck is empty; the others are drawn
(`queue_bursts.py`). In a search for many kinds a run goes on when it finds trouble, and counts for each of
them: so the easiest kind does not hide the rest. The runs depend on the seed alone. Hypothesis is not used
here: `queue_machine.py` is the same search with named rules, for the tests of a user.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from attrs import field, frozen

from failure_modes.checker.experiment.moves import FailJob, Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import HUNTS, Hunt
from failure_modes.checker.oracle.queue_run import QueueRun, Troubled
from failure_modes.checker.search.queue_bursts import IN_JOB, LAST, Draw, Labels, Mix, deck_of, lease_of
from failure_modes.checker.subject.adapter import Adapter
from failure_modes.checker.support import interrupts
from model.actions import Crash, Enqueue, Tick
from system.clock import Stopwatch

LABELS_OFTEN_MAX = 4
"""A boundary that is reached more often than this in one task is not learned: it belongs to a loop."""

Progress = Callable[[int], None]


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
    lease = Tick(seconds=lease_of(adapter))
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
    """Run random moves until the wanted trouble is found, or the runs or the seconds are used up.

    None means any trouble.
    """
    hunts = HUNTS if hunt is None else (hunt,)
    results = search_all(
        adapter,
        hunts,
        seed=seed,
        runs=runs,
        seconds_max=seconds_max,
        labels=labels,
        progress=progress,
        first=True,
    )
    return next((one for one in results.values() if one.found is not None), results[hunts[0]])


def search_all(
    adapter: Adapter,
    hunts: tuple[Hunt, ...],
    *,
    seed: int,
    runs: int,
    seconds_max: float | None = None,
    labels: Labels | None = None,
    progress: Progress | None = None,
    first: bool = False,
) -> Mapping[Hunt, SearchResult]:
    """Run random moves until each hunt has found its trouble, or the runs or the seconds are used up.

    `first`: stop when one hunt has found something. The first trouble of a run comes first.
    """
    labels = learn(adapter) if labels is None else labels
    stopwatch, sometimes = Stopwatch(), Counter[str]()
    results: dict[Hunt, SearchResult] = {}
    number = 0
    for number, moves in enumerate(plans_of(adapter, labels, hunts, seed, runs), 1):
        interrupts.check()
        run = _played(adapter, moves)
        sometimes.update(run.sometimes)
        for troubled in run.troubles.values():
            for hunt in hunts:
                if hunt not in results and hunt.wants(troubled.trouble) and not (first and results):
                    results[hunt] = SearchResult(
                        found=troubled, runs=number, seconds=stopwatch.seconds, sometimes=sometimes.copy()
                    )
        if len(results) == len(hunts) or (first and results):
            break
        if progress is not None:
            progress(number)
        if seconds_max is not None and stopwatch.seconds > seconds_max:
            break
    nothing = SearchResult(found=None, runs=number, seconds=stopwatch.seconds, sometimes=sometimes)
    return {hunt: results.get(hunt, nothing) for hunt in hunts}


def plans_of(
    adapter: Adapter, labels: Labels, hunts: tuple[Hunt, ...], seed: int, runs: int
) -> Iterator[Moves]:
    """The moves of each run."""
    cards = deck_of(labels, hunts)
    deck, last = [[card for card in cards if (card.burst in LAST) is is_last] for is_last in (False, True)]
    for part in (deck, last):
        random.Random(f"{seed}").shuffle(part)
        part.sort(key=lambda card: card.until == IN_JOB)  # those in a job are on top: a job takes most time
    deck = [*last, *deck]
    mixes = tuple(dict.fromkeys([Mix().restricted(hunt) for hunt in hunts]))
    for number in range(runs):
        chance = random.Random(f"{seed}:{number}")
        mix = mixes[number // 2 % len(mixes)]
        if number % 2 and deck:
            card = deck.pop()
            yield Draw(adapter, labels, mix, chance).moves_of(card)
        else:
            yield Draw(adapter, labels, mix, chance).moves()


def _played(adapter: Adapter, moves: Moves) -> QueueRun:
    """The run with these moves, to its end. Trouble does not end it."""
    run = QueueRun(adapter, goes_on=True)
    try:
        for move in moves:
            if run.possible(move):
                run.apply(move)
        run.finish()
    finally:
        run.close()
    return run
