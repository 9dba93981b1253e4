"""A Hypothesis state machine for any queue, with named rules: its printed program reads as a story.

A user writes an adapter, and collects `TestCase` with pytest:

class JobsMachine(QueueMachine): adapter = Jobs()

TestJobs = JobsMachine.TestCase

Settings, profiles, `--hypothesis-seed`, statistics and the example database are those of Hypothesis.
Further rules and invariants come by subclassing. The rules that stop a worker at a boundary draw it from
those that plain runs have learned. `queue_search.py` finds faster; this class is what a test of a project
needs.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import Phase, event, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import SearchStrategy, integers, runner, sampled_from

from failure_modes.checker.experiment.moves import (
    WORKERS,
    FailJob,
    Housekeep,
    Move,
    Work,
)
from failure_modes.checker.oracle.deliveries import Hunt, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import QueueRun, Troubled
from failure_modes.checker.search.queue_bursts import Labels
from failure_modes.checker.search.queue_search import learn
from failure_modes.checker.simulation.foreign import HANDLE, OPENING, Where
from failure_modes.checker.subject.adapter import Adapter
from model.actions import Crash, Enqueue, Tick

JOBS_MAX = 3

STEPS_MAX = 12
"""The rules in one program, at most. The trouble of a queue needs few moves."""

WORKER = sampled_from(WORKERS)


def _boundaries(machine: "QueueMachine") -> SearchStrategy[str]:
    """The boundaries of a worker, the one in a job first: Hypothesis shrinks to it."""
    inner = [label for label in machine.labels.work if not label.startswith(OPENING)]
    return sampled_from([*dict.fromkeys((f"{HANDLE}#1", *inner))])


BOUNDARY: SearchStrategy[str] = runner().flatmap(_boundaries)


class QueueBroke(AssertionError):
    """The queue did what it must not do. The message has the claim that is broken, if there is one."""


class QueueMachine(RuleBasedStateMachine):
    """The machine of one queue. A subclass sets `adapter`; and `hunt`, to look for one kind alone."""

    adapter: ClassVar[Adapter]
    hunt: ClassVar[Hunt | None] = None
    _learned: ClassVar[dict[Adapter, Labels]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Begin with settings for short programs. A test may set `TestCase.settings` anew."""
        super().__init_subclass__(**options)
        test_case = cls.TestCase
        test_case.settings = settings(
            test_case.settings, stateful_step_count=STEPS_MAX, phases=set(Phase) - {Phase.explain}
        )

    def __init__(self) -> None:
        super().__init__()
        if self.adapter not in self._learned:
            self._learned[self.adapter] = learn(self.adapter)
        self.labels = self._learned[self.adapter]
        self.run = QueueRun(self.adapter, target=self.hunt)
        self.jobs = 0
        self.troubled: Troubled | None = None

    @initialize()
    def first_job(self) -> None:
        """There is a job."""
        self._enqueue()

    @precondition(lambda self: self.jobs < JOBS_MAX)
    @rule()
    def enqueue(self) -> None:
        """A producer enqueues a job."""
        self._enqueue()

    @rule(worker=WORKER)
    def run_worker(self, worker: str) -> None:
        """A worker works until it finds no job."""
        self._take(Work(worker=worker))

    @rule(worker=WORKER, boundary=BOUNDARY)
    def step_worker(self, worker: str, boundary: str) -> None:
        """A worker stops before a statement; others may move now."""
        self._take(Work(worker=worker, until=boundary))

    @rule(worker=WORKER, boundary=BOUNDARY)
    def stall_worker(self, worker: str, boundary: str) -> None:
        """A worker stops before a statement for longer than its lease, and housekeeping makes a pass."""
        self._take(Work(worker=worker, until=boundary))
        self._take(Tick(seconds=self.adapter.lease_seconds + 1))
        self._take(Housekeep())

    @rule(worker=WORKER, boundary=BOUNDARY)
    def overtake_worker(self, worker: str, boundary: str) -> None:
        """A worker stops before a statement; the other one finds no job any more; the first goes on."""
        other = next(name for name in WORKERS if name != worker)
        self._take(Work(worker=worker, until=boundary))
        self._take(Work(worker=other))
        self._take(Work(worker=worker))

    @precondition(lambda self: self.paused())
    @rule()
    def crash_worker(self) -> None:
        """The worker that is stopped is killed there."""
        self._take(Crash(worker=self.paused()[0]))

    @rule(seconds=integers(1, 120))
    def tick(self, seconds: int) -> None:
        """Time passes."""
        self._take(Tick(seconds=seconds))

    @precondition(lambda self: self.jobs)
    @rule(number=integers(1, JOBS_MAX))
    def fail_job(self, number: int) -> None:
        """The next execution of a job raises an error."""
        self._take(FailJob(key=f"job-{number}"))

    @rule()
    def housekeeping(self) -> None:
        """Housekeeping makes a pass."""
        self._take(Housekeep())

    @precondition(lambda self: self.troubled is not None)
    @invariant()
    def every_claim_holds(self) -> None:
        """The queue keeps what its documents claim, and does not do what no queue should."""
        self._complain()

    def teardown(self) -> None:
        """Recover, schedule fairly, and judge what is left."""
        try:
            if self.troubled is None:
                self._judged(self.run.finish)
                if self.troubled is not None:
                    self._complain()
        finally:
            for reached in self.run.sometimes:
                event(reached)
            self.run.close()

    def paused(self) -> list[str]:
        """The workers that are stopped."""
        return [name for name in WORKERS if self.run.at(name).where is not Where.REST]

    def _enqueue(self) -> None:
        self.jobs += 1
        self._take(Enqueue(key=f"job-{self.jobs}"))

    def _take(self, move: Move) -> None:
        if self.troubled is None and self.run.possible(move):
            self._judged(lambda: self.run.apply(move))

    def _judged(self, take: Callable[[], None]) -> None:
        try:
            take()
        except Troubled as troubled:
            self.troubled = troubled

    def _complain(self) -> None:
        assert self.troubled is not None
        trouble = self.troubled.trouble
        claim = claim_of(self.adapter, trouble.topic)
        said = "" if claim is None else f' The documents say: "{claim.sentence}" ({claim.where})'
        raise QueueBroke(f"{verdict_of(claim)}: {trouble.text}.{said}")
