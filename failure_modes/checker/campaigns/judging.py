"""Judges a queue.

Each kind of trouble is hunted in turn, so that one does not hide the next; then shortened, replayed, and
run again with real processes. Only what these show is `confirmed`, and only that may be published. A hunt
that finds nothing proves nothing: it says how many runs it made.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from attrs import field, frozen

from failure_modes.checker.experiment.moves import Moves
from failure_modes.checker.oracle.deliveries import HUNTS, Hunt, Kind, Trouble, Verdict, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.real.real_queue import CONFIRMED_BY, confirm
from failure_modes.checker.search.queue_search import learn, search
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.subject.adapter import Adapter, AdapterSource, Claim, Topic, version_of
from failure_modes.checker.traces.queue_trace import QueueTrace

REPLAYS = 100
"""How often a shortened run is replayed: each replay must be the same."""


@frozen(kw_only=True)
class HuntResult:
    """The result of one hunt. `trouble` is None if nothing was found."""

    hunt: Hunt
    runs: int
    seconds: float
    seeds: int
    found_by: int = 0
    """How many of the seeds found it."""
    trouble: Trouble | None = None
    moves: Moves = ()
    claim: Claim | None = None
    replays_same: int = 0
    confirmed: bool = False
    sometimes: Counter[str] = field(factory=Counter)

    @property
    def verdict(self) -> Verdict:
        """What the trouble means beside the documents."""
        return verdict_of(self.claim)


Report = Callable[[Hunt, int], None]
"""Called with the hunt and its runs so far."""


def judge(
    source: AdapterSource,
    *,
    runs: int,
    seeds: int = 1,
    seconds_max: float | None = None,
    only: tuple[Kind, ...] = tuple(Kind),
    report: Report | None = None,
) -> Iterator[HuntResult]:
    """Hunt each kind of trouble in turn. Where two processes are enough, no lease needs to run out."""
    adapter = source.load()
    found: set[object] = set()
    for hunt in HUNTS:
        if hunt.kind not in only or (hunt.topic is Topic.FENCED and hunt.kind in found):
            continue
        result = _result_of(source, adapter, hunt, runs, seeds, seconds_max, report)
        if result.trouble is not None:
            found.add(hunt.kind)
        yield result


def trace_of_hunt(source: AdapterSource, result: HuntResult) -> QueueTrace:
    """The trace to keep."""
    adapter, trouble = source.load(), result.trouble
    assert trouble is not None, "a hunt that found nothing has no trace"
    return QueueTrace(
        adapter=source.text,
        queue=adapter.name,
        version=version_of(adapter),
        configuration=adapter.configuration,
        kind=trouble.kind,
        topic=trouble.topic,
        text=trouble.text,
        confirmed=CONFIRMED_BY if result.confirmed else None,
        moves=result.moves,
    )


def _result_of(
    source: AdapterSource,
    adapter: Adapter,
    hunt: Hunt,
    runs: int,
    seeds: int,
    seconds_max: float | None,
    report: Report | None,
) -> HuntResult:
    labels = learn(adapter)
    options: dict[str, Any] = {"runs": runs, "seconds_max": seconds_max, "labels": labels}
    if report is not None:
        options["progress"] = lambda number: report(hunt, number)
    results = [search(adapter, hunt, seed=seed, **options) for seed in range(seeds)]
    total = sum(result.runs for result in results)
    seconds = sum(result.seconds for result in results)
    sometimes = sum([result.sometimes for result in results], Counter[str]())
    first = next((result.found for result in results if result.found is not None), None)
    if first is None:
        return HuntResult(hunt=hunt, runs=total, seconds=seconds, seeds=seeds, sometimes=sometimes)
    shortest = shrink_moves(adapter, first, labels.work)
    known = shortest.trouble
    again = [play(adapter, shortest.moves, target=hunt) for _ in range(REPLAYS)]
    same = sum(one is not None and one.trouble == known for one in again)
    real = confirm(source, shortest.moves, hunt)
    return HuntResult(
        hunt=hunt,
        runs=total,
        seconds=seconds,
        seeds=seeds,
        found_by=sum(result.found is not None for result in results),
        trouble=known,
        moves=shortest.moves,
        claim=claim_of(adapter, known.topic),
        replays_same=same,
        confirmed=real is not None and real.trouble == known,
        sometimes=sometimes,
    )
