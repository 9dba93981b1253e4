"""Judges a queue.

Every kind of trouble is hunted in the same runs, and a run goes on when it finds one, so that none hides the
next. What is found is shortened, replayed, and run again with real processes. Only what these show is
`confirmed`, and only that may be published. A hunt that finds nothing proves nothing: it says how many runs
it made. The bound of a search is its number of runs: its result does not depend on the speed of the machine.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from attrs import evolve, field, frozen

from failure_modes.checker.experiment.moves import Moves
from failure_modes.checker.oracle.deliveries import HUNTS, Hunt, Kind, Trouble, Verdict, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import play
from failure_modes.checker.real.real_queue import CONFIRMED_BY, confirm
from failure_modes.checker.search.queue_bursts import Labels, deck_of
from failure_modes.checker.search.queue_search import SearchResult, learn, search_all
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.subject.adapter import Adapter, AdapterSource, Claim, Topic, version_of
from failure_modes.checker.support.errors import CallerError
from failure_modes.checker.support.process_pool import WorkPool
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
    found_after: tuple[int | None, ...] = ()
    """For each seed, the run that found it; None if no run did."""
    trouble: Trouble | None = None
    moves: Moves = ()
    claim: Claim | None = None
    upstream: str | None = None
    """A report of others that the trouble explains."""
    replays_same: int = 0
    confirmed: bool = False
    sometimes: Counter[str] = field(factory=Counter)

    @property
    def found_by(self) -> int:
        """How many of the seeds found it."""
        return sum(run is not None for run in self.found_after)

    @property
    def verdict(self) -> Verdict:
        """What the trouble means beside the documents."""
        return verdict_of(self.claim)


Report = Callable[[int, int], None]
"""Called with the seed and its runs so far."""


def judge(
    source: AdapterSource,
    *,
    runs: int,
    seeds: int = 1,
    seconds_max: float | None = None,
    only: tuple[Kind, ...] = tuple(Kind),
    labels: Labels | None = None,
    report: Report | None = None,
    pool: WorkPool | None = None,
) -> Iterator[HuntResult]:
    """Hunt each kind of trouble. Where two processes are enough, no lease needs to run out.

    The processes of the pool share the seeds. `labels`: those of the adapter, if they were learned before.
    """
    adapter = source.load()
    labels, hunts = labels or learn(adapter), hunts_of(adapter, only)
    search = _SeedSearch(
        source=source.everywhere,
        version=source.version,
        hunts=hunts,
        runs=runs,
        seconds_max=seconds_max,
        report=report,
    )
    searches = list(map(search, range(seeds)) if pool is None else pool.in_order(search, range(seeds)))
    found: set[Kind] = set()
    for hunt in hunts:
        if hunt.topic is Topic.FENCED and hunt.kind in found:
            continue
        result = _result_of(source, adapter, hunt, [one[hunt] for one in searches], labels)
        if result.trouble is not None:
            found.add(hunt.kind)
        yield result


@frozen(kw_only=True)
class _SeedSearch:
    """The search with one seed. It runs in this process, or in one of the pool."""

    source: AdapterSource
    version: tuple[str | None, str | None]
    hunts: tuple[Hunt, ...]
    runs: int
    seconds_max: float | None
    report: Report | None

    def __call__(self, seed: int) -> Mapping[Hunt, SearchResult]:
        """The result for each hunt. Raises CallerError if this process has another queue."""
        adapter = self.source.load()
        if self.source.version != self.version:
            raise CallerError(
                f"a worker has another version of {adapter.name}, or another file of its adapter, than this "
                "machine; have the same on both"
            )
        return search_all(
            adapter,
            self.hunts,
            seed=seed,
            runs=self.runs,
            seconds_max=self.seconds_max,
            labels=learn(adapter),
            progress=None if self.report is None else partial(self.report, seed),
        )


def hunts_of(adapter: Adapter, only: tuple[Kind, ...] = tuple(Kind)) -> tuple[Hunt, ...]:
    """The hunts of these kinds. Where a job may run without a limit, none is for runs beyond it."""
    limited = adapter.attempts_max is not None
    return tuple([hunt for hunt in HUNTS if hunt.kind in only and (limited or hunt.kind is not Kind.BEYOND)])


def cards_of(adapter: Adapter, labels: Labels, only: tuple[Kind, ...] = tuple(Kind)) -> int:
    """The cards of the deck. A search takes one in every second run."""
    return len(deck_of(labels, hunts_of(adapter, only)))


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
    source: AdapterSource, adapter: Adapter, hunt: Hunt, results: Sequence[SearchResult], labels: Labels
) -> HuntResult:
    nothing = HuntResult(
        hunt=hunt,
        runs=sum(result.runs for result in results),
        seconds=sum(result.seconds for result in results),
        seeds=len(results),
        sometimes=sum([result.sometimes for result in results], Counter[str]()),
    )
    found = [result.found for result in results if result.found is not None]
    if not found:
        return nothing
    shortest = shrink_moves(adapter, min(found, key=lambda one: len(one.moves)), labels.work)
    known = shortest.trouble
    again = [play(adapter, shortest.moves, target=hunt) for _ in range(REPLAYS)]
    real = confirm(source, shortest.moves, hunt)
    return evolve(
        nothing,
        found_after=tuple([None if result.found is None else result.runs for result in results]),
        trouble=known,
        moves=shortest.moves,
        claim=claim_of(adapter, known.topic),
        upstream=adapter.upstream.get(known.topic),
        replays_same=sum(one is not None and one.trouble == known for one in again),
        confirmed=real is not None and real.trouble == known,
    )
