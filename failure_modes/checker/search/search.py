"""A search: it runs examples until one breaks the target, and makes its trace as short as possible.

A driver chooses what the examples do (`drivers/`). Without a driver's name, the explorer is asked first if
the search has bounds, and tries `EXPLORED_FIRST` states at most. If it finds nothing there, or cannot explore
the system, that says nothing: the search goes on with the default driver.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from attrs import evolve, field, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Scope, StoreKind
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target, needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.search.drivers import DEFAULT, driver_of
from failure_modes.checker.search.drivers.explore import explore
from failure_modes.checker.search.examples import Examples, TimeLimitReached
from failure_modes.checker.search.minimise import NOT_EXPLORABLE, is_explored_by_replay, shrink
from failure_modes.checker.search.runs import Runs
from failure_modes.checker.search.search_spec import RunCounts, SearchSpec
from failure_modes.checker.search.statistics import Progress, SearchStatistics, no_progress
from model.actions import Action, Step
from model.events import Event

SEARCHES = 4
"""So many searches at most, where no explorer certifies that a trace is the shortest."""

EXPLORED_FIRST = 2_000
"""States that the explorer tries before the default driver begins: about a second."""


@frozen(kw_only=True)
class Search:
    """The parameters of a search. `target` is None if the search should find nothing."""

    scope: Scope = field(factory=Scope)
    strategy: Strategy
    fault: Fault
    target: Target | None
    seed: int
    examples: int
    seconds_max: float | None = None
    bounds: Bounds | None = None
    """The bounds in which the explorer may be asked; None if it must not be asked."""
    symmetric: bool = False
    """True if the fault treats all workers alike."""

    @property
    def needs_ending(self) -> bool:
        """True if an example must have its liveness run."""
        return needs_ending(self.target)

    @property
    def proof(self) -> Proof | None:
        """The proof that has the same target; None without bounds."""
        if self.bounds is None:
            return None
        reductions = Reductions(symmetry=self.symmetric)
        return Proof(
            scope=self.scope, bounds=self.bounds, fault=self.fault, target=self.target, reductions=reductions
        )

    def runs(self) -> Runs:
        """The runs of the queue and its model in lock-step."""
        return Runs(self.scope, self.fault, self.target)

    def take(self, run: Lockstep, action: Action) -> bool:
        """Take one action. Returns False for a worker that asked for a job, got none, and rests again."""
        worker = action.worker if isinstance(action, Step) else None
        rested = worker is not None and run.rests(worker)
        record = run.apply(action)
        idle = rested and worker is not None and run.rests(worker)
        return not idle or bool(record.events) or record.after != record.before

    def state_of(self, run: Lockstep) -> object | None:
        """The state of the model, if the search has no target. Their number measures the coverage."""
        return relative_state(run) if self.target is None and run.reference.state is not None else None

    def counts_of(self, run: Lockstep) -> RunCounts:
        """The counts of a run."""
        records = run.ledger.records
        return RunCounts(
            steps=len(run.ledger.actions),
            actions=Counter([type(record.action).__name__ for record in records if not record.recovering]),
            outcomes=Counter([_outcome(event) for record in records for event in record.events]),
            sometimes=run.ledger.sometimes,
            off_target=run.judge.off_target,
        )

    def minimise(
        self, found: Found, check: Callable[[], None], shorter: Callable[[Found], None]
    ) -> tuple[Found, bool]:
        """The shortest trace with the same violation, and `is_minimal` of `minimise.Shortest`."""
        shortest = shrink(
            self.scope,
            self.fault,
            self.target,
            found,
            symmetric=self.symmetric,
            check=check,
            shorter=shorter,
        )
        return shortest.found, shortest.is_minimal


@frozen(kw_only=True)
class Result:
    """The result of a search: its finding, if any, and its statistics."""

    finding: Finding | None
    actions: tuple[Action, ...]
    statistics: SearchStatistics
    stopped_early: bool
    is_minimal: bool = False
    """True if every shorter trace with at most as many of each event was tried, and none fails."""


def run(
    search: SearchSpec,
    progress: Progress = no_progress,
    *,
    driver: str | None = None,
    shrinking: bool = True,
    statistics: SearchStatistics | None = None,
    searches: int = SEARCHES,
) -> Result:
    """Run a search, and minimise the trace of its finding. `progress` is called after each run.

    A search that is stopped gives the shortest trace so far.

    `driver`: one of `DRIVERS`. `statistics`: those of the searches before this one, if it continues them.
    `searches`: so many at most, where the explorer is too slow to certify the trace (`_agreed`).
    """
    statistics = SearchStatistics() if statistics is None else statistics
    statistics.is_minimal = False
    found, is_minimal = None, False
    try:
        with Examples(search, statistics, progress) as examples:
            try:
                _drive(search, examples, driver)
            except Found as error:
                found, is_minimal = error, statistics.is_minimal
        if found is not None and shrinking and not is_minimal:
            found, is_minimal = search.minimise(found, examples.check_and_report, examples.shorter)
            examples.shorter(found)
            if isinstance(search, Search) and not is_minimal and is_explored_by_replay(search.scope):
                found = _agreed(found, search, searches, examples, driver)
    except (TimeLimitReached, KeyboardInterrupt) as stopped:
        statistics.stopped_early, statistics.interrupted = True, isinstance(stopped, KeyboardInterrupt)
        found = found and statistics.shortest
    if found is None:
        return Result(finding=None, actions=(), statistics=statistics, stopped_early=statistics.stopped_early)
    return Result(
        finding=found.finding,
        actions=found.actions,
        statistics=statistics,
        stopped_early=statistics.stopped_early,
        is_minimal=is_minimal,
    )


def _agreed(found: Found, search: "Search", searches: int, examples: Examples, driver: str | None) -> Found:
    """The shortest trace of several searches: they end when two end at the same shortest length."""
    for number in range(1, searches):
        another = evolve(search, seed=search.seed + 1_000 * number)
        other = run(another, examples.progress, driver=driver, searches=1)
        if other.statistics.interrupted:
            raise KeyboardInterrupt
        if other.stopped_early:
            raise TimeLimitReached
        if other.finding is None or len(other.actions) > len(found.actions):
            continue
        if len(other.actions) == len(found.actions):
            break
        found = type(found)(other.finding, other.actions)
        examples.shorter(found)
    return found


def _drive(search: SearchSpec, examples: Examples, driver: str | None) -> None:
    if driver is None and search.proof is not None and search.scope.store is StoreKind.SQLITE:
        with suppress(*NOT_EXPLORABLE):  # the driver below needs no explorer
            explore(search, examples, states_max=EXPLORED_FIRST)
    driver_of(driver or DEFAULT)(search, examples)


def _outcome(event: Event) -> str:
    because = f" ({event.reason})" if event.reason else ""
    return f"{event.operation}: {event.event}{because}"


def relative_state(lockstep: Lockstep) -> object:
    """The model's state with times relative to now, so that the same situation at a later time is equal."""
    state = lockstep.reference.state
    assert state is not None, "a guarded run has a model"
    now = state.now
    jobs = [(j.key, None if j.available_at is None else j.available_at - now) for j in state.durable.jobs]
    executions = [
        (e.job, e.attempt, e.worker, e.status, e.lease_expires_at - now) for e in state.durable.executions
    ]
    until = state.durable.breaker.open_until_at
    limits = (
        tuple([at - now for at in state.durable.retries]),
        state.durable.breaker.failures,
        None if until is None else until - now,
    )
    return tuple(jobs), tuple(executions), state.workers, state.durable.charges, limits
