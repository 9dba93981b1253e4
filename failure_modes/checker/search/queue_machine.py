"""One Hypothesis state machine for every queue, with named rules: its printed program reads as a story.

A rule says what happens; the run behind the machine (`machine_run.py`) does it. A machine with an `adapter`
judges any queue by the weak model; a machine with a `mode` runs our queue in lock-step with its full model:

class JobsMachine(QueueMachine): adapter = Jobs()

class TornRecovery(QueueMachine): mode = failure_mode("FM_002")

TestJobs = JobsMachine.TestCase

Hypothesis would choose each rule as often as every other, and would switch some off for an example. A race
is then hardly ever met. So the machine draws once from what can happen, as often as the weights say, and
that draw names the rule. Settings, profiles, `--hypothesis-seed`, statistics and the example database are
those of Hypothesis. Further rules and invariants come by subclassing.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from attrs import define, evolve, field
from hypothesis import Phase, currently_in_test_context, event, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import SearchStrategy, integers, runner, sampled_from

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.moves import WORKERS, FailJob, Housekeep, Work
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.search.choices import Choice, reweighted
from failure_modes.checker.search.examples import Examples
from failure_modes.checker.search.judged_run import DANGERS, JOBS_MAX, WEIGHTS, JudgedRuns
from failure_modes.checker.search.machine_run import MachineRun, MachineRuns, QueueBroke
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.statistics import SearchStatistics, no_progress
from failure_modes.checker.search.weighted_rules import allowed, weighted_rules
from failure_modes.checker.subject.adapter import Adapter
from model.actions import (
    Action,
    ClockBack,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    actor_of,
)

STEPS_MAX = 12
"""The rules in one program of any queue, at most. The trouble of a queue needs few moves."""


def _of_run(name: str) -> SearchStrategy[str]:
    """One of what the run has under this name."""
    return runner().flatmap(lambda machine: sampled_from(getattr(machine.run, name)))


WORKER = sampled_from(WORKERS)
BOUNDARY, PAUSED = _of_run("boundaries"), _of_run("paused")

when_paused = precondition(lambda machine: bool(machine.run.paused))
"""The rule can happen only while a process is stopped inside its work."""


REST = Choice(rule="rest", arguments={})


class NeverReached(UserWarning):
    """A machine found nothing, and never met the danger. pytest's `filterwarnings` makes it an error."""


@define
class _Shared:
    """What the examples of one machine share."""

    runs: MachineRuns | None = None
    reached: Counter[str] = field(factory=Counter)
    broken: bool = False


class QueueMachine(RuleBasedStateMachine):
    """The machine of one queue. A subclass sets `adapter` or `mode`."""

    adapter: ClassVar[Adapter]
    """Any queue."""
    hunt: ClassVar[Hunt | None] = None
    """The one kind of trouble to look for in it."""
    mode: ClassVar[FailureMode | None] = None
    """A failure mode of our queue; its strategy says what happens, and how often."""
    guarded: ClassVar[bool] = False
    """True for the control of the failure mode, which should hold."""
    weights: ClassVar[Mapping[str, int]] = {}
    """How often rules are drawn, where it is not as usual. A rule of a subclass has the weight 1."""
    must_reach: ClassVar[tuple[str, ...] | None] = None
    """The situations of which at least one example must meet each; None for the usual ones."""
    _shared: ClassVar[_Shared]

    def __init_subclass__(cls, **options: Any) -> None:
        """Begin with settings for such programs. A test may set `TestCase.settings` anew."""
        super().__init_subclass__(**options)
        cls._shared = _Shared()
        steps = STEPS_MAX if cls.mode is None else cls.mode.strategy.steps_max(cls.mode.scope)
        test_case: Any = cls.TestCase
        test_case.settings = settings(
            test_case.settings, stateful_step_count=steps, phases=set(Phase) - {Phase.explain}
        )
        test_case.tearDown = lambda _: cls.end()

    def __init__(self, run: MachineRun | None = None) -> None:
        super().__init__()
        self.run = self._runs().begin() if run is None else run
        self._rules_strategy: Any = weighted_rules(self)  # instead of the one of Hypothesis
        self.broken: Exception | None = None
        self._ended = False

    # What happens to any queue.

    @rule()
    def enqueue(self, key: str, poison: bool = False, then_steps: int = 0) -> None:
        """A producer enqueues a job."""
        self._act(Enqueue(key=key, poison=poison), then_steps)

    @rule(worker=WORKER, boundary=BOUNDARY)
    def step_worker(self, worker: str, boundary: str | None = None, then_steps: int = 0) -> None:
        """A worker goes on to its next boundary, or to that of this name; others may move now."""
        if boundary is None:
            self._act(Step(worker=worker), then_steps)
        else:
            self._take(Work(worker=worker, until=boundary))

    @when_paused
    @rule(worker=PAUSED)
    def crash_worker(self, worker: str) -> None:
        """A worker that is stopped inside its work is killed there."""
        self._take(Crash(worker=worker))

    @rule(seconds=integers(1, 120))
    def tick(self, seconds: float) -> None:
        """Time passes."""
        self._take(Tick(seconds=seconds))

    # What happens to the queue of an adapter.

    @rule(worker=WORKER)
    def run_worker(self, worker: str) -> None:
        """A worker works until it finds no job."""
        self._take(Work(worker=worker))

    @rule(worker=WORKER, boundary=BOUNDARY)
    def stall_worker(self, worker: str, boundary: str) -> None:
        """A worker stops before a statement for longer than its lease, and housekeeping makes a pass."""
        lease = Tick(seconds=self.adapter.lease_seconds + 1)
        self._take(Work(worker=worker, until=boundary), lease, Housekeep())

    @rule(worker=WORKER, boundary=BOUNDARY)
    def overtake_worker(self, worker: str, boundary: str) -> None:
        """A worker stops before a statement; the other one finds no job any more; the first goes on."""
        other = next(name for name in WORKERS if name != worker)
        self._take(Work(worker=worker, until=boundary), Work(worker=other), Work(worker=worker))

    @rule(number=integers(1, JOBS_MAX))
    def fail_job(self, number: int) -> None:
        """The next execution of a job raises an error."""
        self._take(FailJob(key=f"job-{number}"))

    @rule()
    def housekeeping(self) -> None:
        """Housekeeping makes a pass."""
        self._take(Housekeep())

    # What happens to our queue. The arguments come from what can happen now.

    @rule()
    def fail_handler(self, worker: str, then_steps: int = 0) -> None:
        """The handler of a worker raises an error."""
        self._act(Fail(worker=worker), then_steps)

    @rule()
    def heartbeat(self, worker: str, then_steps: int = 0) -> None:
        """The handler of a worker extends its lease, and goes on."""
        self._act(Heartbeat(worker=worker), then_steps)

    @rule()
    def heartbeat_of_thread(self, worker: str, then_steps: int = 0) -> None:
        """The second thread of a worker begins a heartbeat."""
        self._act(ThreadHeartbeat(worker=worker), then_steps)

    @rule()
    def release_job(self, worker: str, then_steps: int = 0) -> None:
        """A worker is stopped in its handler: it releases the job, and ends."""
        self._act(Release(worker=worker), then_steps)

    @rule()
    def lose_reply(self, worker: str, then_steps: int = 0) -> None:
        """A worker goes on to its next boundary; the reply to its COMMIT is lost."""
        self._act(LostReply(worker=worker), then_steps)

    @rule()
    def reconcile(self, process: str, then_steps: int = 0) -> None:
        """The recovery policy runs once."""
        self._act(Reconcile(process=process), then_steps)

    @rule()
    def lose_power(self) -> None:
        """Every process dies, and what was not synced is lost."""
        self._take(PowerLoss())

    @rule()
    def roll_back(self, commits: int) -> None:
        """The store loses its last commits, and every process lives on."""
        self._take(Rollback(commits=commits))

    @rule()
    def set_clock_back(self, seconds: float) -> None:
        """The clock is set back."""
        self._take(ClockBack(seconds=seconds))

    @rule()
    def rest(self) -> None:
        """Nothing can happen any more."""

    # The verdict.

    @precondition(lambda machine: machine.broken is not None)
    @invariant()
    def every_claim_holds(self) -> None:
        """The queue keeps what it promises, and does not do what no queue should."""
        self._complain()

    def teardown(self) -> None:
        """Recover, schedule fairly, and judge what is left."""
        try:
            if not self._ended:
                self.judged(self.run.finish)
                self._complain()
        finally:
            self._note_reached()
            self.judged(self.run.close)

    def judged(self, ask: Callable[[], None]) -> None:
        """Let the run do something. What breaks is kept for the invariant."""
        self._ended = True  # also if an error of another kind leaves this method
        try:
            ask()
            self._ended = False
        except (Found, QueueBroke) as broken:
            self.broken = broken
            self._shared.broken = True

    def choices(self) -> tuple[Choice, ...]:
        """What can happen now, each as often as its weight says; the rules of a subclass, too."""
        if self._ended:
            return (REST,)
        return allowed(self, (*self.run.choices(), *self._own_choices())) or (REST,)

    @classmethod
    def end(cls) -> None:
        """Let go of what the examples share, and warn if they found nothing and never met the danger."""
        shared, cls._shared = cls._shared, _Shared()
        if shared.runs is not None:
            shared.runs.close()
        missing = [name for name in cls._wanted() if not shared.reached[name]]
        if missing and shared.runs is not None and not shared.broken:
            warnings.warn(
                f"{cls.__name__} never reached: {', '.join(missing)}; so it shows little: try more examples, "
                "or higher `weights` of the rules that lead there",
                NeverReached,
                stacklevel=2,
            )

    @classmethod
    def _wanted(cls) -> tuple[str, ...]:
        """The situations that must be reached."""
        if cls.must_reach is not None:
            return cls.must_reach
        if cls.mode is None:
            return DANGERS
        return cls.mode.expected.must_reach if cls.guarded else ()

    @classmethod
    def _runs(cls) -> MachineRuns:
        """The runs that the examples share."""
        if cls._shared.runs is None:
            cls._shared.runs = cls._new_runs()
        return cls._shared.runs

    @classmethod
    def _new_runs(cls) -> MachineRuns:
        if cls.mode is None:
            return JudgedRuns(cls.adapter, cls.hunt, {**WEIGHTS, **cls.weights})
        search = search_of(cls.mode, 0, broken=not cls.guarded)
        search = evolve(search, strategy=reweighted(search.strategy, cls.weights))
        return Examples(search, SearchStatistics(), no_progress)

    def _own_choices(self) -> list[Choice]:
        """The rules of a subclass."""
        names = [rule.function.__name__ for rule in self.rules]
        own = [name for name in names if not hasattr(QueueMachine, name)]
        return [choice for name in own for choice in [Choice(rule=name)] * self.weights.get(name, 1)]

    def _act(self, action: Action, then_steps: int) -> None:
        """Take an action, and some steps of the process that it moves."""
        self._take(action, *[Step(worker=actor_of(action) or "")] * then_steps)

    def _take(self, *moves: Any) -> None:
        if not self._ended:
            self.judged(lambda: self.run.take(moves))

    def _complain(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _note_reached(self) -> None:
        """Count what was reached: for the statistics of Hypothesis, and for `end`."""
        reached = +self.run.reached  # without what was met 0 times
        self._shared.reached.update(reached)
        for name in reached if currently_in_test_context() else ():
            event(name)
