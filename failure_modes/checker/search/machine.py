"""The Hypothesis state machine over a run, and a search with it.

One rule draws the next actions. Impossible actions are skipped, so that Hypothesis can remove one step
without changing the others. The run judges the invariants after each action. The exception that ends a search
has the actions as data.
"""

from collections import Counter
from collections.abc import Callable

from attrs import field, frozen
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target, needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep, run_actions
from failure_modes.checker.search.minimise import shrink
from failure_modes.checker.search.search_spec import RunCounts, SearchSpec
from failure_modes.checker.search.seeding import without_source_constants
from failure_modes.checker.support import interrupts, temporary
from model.actions import Action
from model.events import Event
from system.clock import Stopwatch


class TimeLimitReached(BaseException):
    """The time limit of a search was reached. Not an Exception: Hypothesis must not take it for a failure."""


class SearchStatistics:
    """The counts of a search so far, over all its examples. The progress display reads them."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.examples = 0
        self.steps = 0
        self.actions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.sometimes: Counter[str] = Counter()
        self.off_target: Counter[str] = Counter()
        self.states: set[object] = set()
        self.last_new_state = 0
        self.seconds_to_first: float | None = None
        self.examples_to_first: int | None = None
        self.shortest: Found | None = None
        self.stopped_early = False
        self.interrupted = False

    def add(self, counts: RunCounts, *, first_found: bool) -> None:
        """Count one example. Examples after the first finding only shrink it; they are not counted."""
        if self.seconds_to_first is not None:
            return
        self.examples += 1
        self.steps += counts.steps
        self.sometimes.update(counts.sometimes)
        self.actions.update(counts.actions)
        self.outcomes.update(counts.outcomes)
        if counts.off_target:
            self.off_target[counts.off_target] += 1
        if first_found:
            self.seconds_to_first = self.stopwatch.seconds
            self.examples_to_first = self.examples

    def see(self, state: object) -> None:
        """Count a state, and note the example of the last new state."""
        if state not in self.states:
            self.states.add(state)
            self.last_new_state = self.examples


Progress = Callable[[SearchStatistics], None]
"""A function that is called after each example, with the statistics so far."""


def _no_progress(_: SearchStatistics) -> None:
    """Show nothing."""


def _outcome(event: Event) -> str:
    because = f" ({event.reason})" if event.reason else ""
    return f"{event.operation}: {event.event}{because}"


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

    @property
    def needs_ending(self) -> bool:
        """True if an example must have its liveness run."""
        return needs_ending(self.target)

    def begin(self) -> Lockstep:
        """A new run of the queue and its model in lock-step."""
        return Lockstep(self.scope, self.fault, target=self.target)

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

    def minimise(self, found: Found) -> tuple[Found, bool]:
        """The shortest trace with the same violation, and `is_minimal` of `minimise.Shortest`."""
        shortest = shrink(self.scope, self.fault, self.target, found)
        again = run_actions(self.scope, self.fault, self.target, shortest.actions)
        return again or found, shortest.is_minimal


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
    progress: Progress = _no_progress,
    *,
    shrinking: bool = True,
    statistics: SearchStatistics | None = None,
) -> Result:
    """Run a search, and minimise the trace of its finding. `progress` is called after each example.

    `statistics`: those of the searches before this one, if it continues them.
    """
    statistics = SearchStatistics() if statistics is None else statistics
    machine = machine_of(search, statistics, progress)
    found: Found | None = None
    is_minimal = False
    try:
        _run(search, machine, shrinking=shrinking)
    except Found as error:
        found = error
    except (TimeLimitReached, KeyboardInterrupt) as stopped:
        statistics.stopped_early, statistics.interrupted = True, isinstance(stopped, KeyboardInterrupt)
        found = statistics.shortest
    except Exception:
        if (
            not statistics.stopped_early
        ):  # else Hypothesis wonders why an example ended before it drew anything
            raise
        found = statistics.shortest
    if found is None:
        return Result(finding=None, actions=(), statistics=statistics, stopped_early=statistics.stopped_early)
    if shrinking and not statistics.stopped_early:
        try:
            found, is_minimal = search.minimise(found)
        except KeyboardInterrupt:
            statistics.stopped_early = statistics.interrupted = True
    return Result(
        finding=found.finding,
        actions=found.actions,
        statistics=statistics,
        stopped_early=statistics.stopped_early,
        is_minimal=is_minimal,
    )


@without_source_constants()
def _run(search: SearchSpec, machine: type[RuleBasedStateMachine], *, shrinking: bool) -> None:
    run_state_machine_as_test(
        seed(search.seed)(machine),
        settings=settings(
            max_examples=search.examples,
            stateful_step_count=search.strategy.steps_max(search.scope),
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink) if shrinking else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )


def machine_of(
    search: SearchSpec, statistics: SearchStatistics, progress: Progress = _no_progress
) -> type[RuleBasedStateMachine]:
    """The state machine of a search."""
    bursts = search.strategy.bursts(search.scope)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            interrupts.check()
            if search.seconds_max is not None and statistics.stopwatch.seconds > search.seconds_max:
                statistics.stopped_early = True
                raise TimeLimitReached
            with temporary.room():
                self.run = search.begin()
            self.found = False

        @rule(burst=sampled_from(bursts))
        def act(self, burst: tuple[Action, ...]) -> None:
            run = self.run
            for action in burst:
                if run.over or not run.possible(action):
                    return
                with _recording(self), temporary.room():
                    run.apply(action)
                state = search.state_of(run)
                if state is not None:
                    statistics.see(state)
                if run.is_choice_point(action):
                    return

        def teardown(self) -> None:
            run = self.run
            try:
                if not self.found and not run.over and search.needs_ending:
                    with _recording(self), temporary.room():
                        run.finish()
            finally:
                statistics.add(search.counts_of(run), first_found=self.found)
                run.close()
                progress(statistics)

    class _recording:  # noqa: N801 (reads as a statement)
        def __init__(self, machine: Machine) -> None:
            self.machine = machine

        def __enter__(self) -> None:
            return None

        def __exit__(self, kind: object, error: object, traceback: object) -> None:
            if isinstance(error, Found):
                self.machine.found = True
                if statistics.shortest is None or len(error.actions) < len(statistics.shortest.actions):
                    statistics.shortest = error

    return Machine


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
