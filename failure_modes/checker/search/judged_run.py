"""A run of any queue with the weak model, as a machine sees it (`machine_run.py`).

The boundaries at which a worker can stop are learned once for each adapter, from plain runs.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from attrs import frozen

from failure_modes.checker.experiment.moves import PROCESSES, Moves
from failure_modes.checker.oracle.deliveries import Hunt, claim_of, verdict_of
from failure_modes.checker.oracle.queue_run import QueueRun, Troubled
from failure_modes.checker.search.choices import Choice
from failure_modes.checker.search.machine_run import QueueBroke
from failure_modes.checker.search.queue_search import learn
from failure_modes.checker.simulation.foreign import HANDLE, OPENING, Where
from failure_modes.checker.subject.adapter import Adapter
from model.actions import Enqueue

JOBS_MAX = 3

WEIGHTS: Mapping[str, int] = {
    "enqueue": 8,
    "run_worker": 2,
    "step_worker": 3,
    "stall_worker": 4,
    "overtake_worker": 4,
    "crash_worker": 4,
    "fail_job": 1,
    "housekeeping": 1,
    "tick": 1,
}
"""How often each rule is drawn, if a machine does not say more. Shrinking prefers the first ones."""

DANGERS = (
    "a process stopped before a statement",
    "a tick while a worker is paused",
    "killed before a statement",
)
"""A machine that never reached these has shown little."""


class JudgedRun:
    """One run of the queue of an adapter. `close` must be called."""

    def __init__(self, adapter: Adapter, hunt: Hunt | None, weights: Mapping[str, int]) -> None:
        self.boundaries = _boundaries(adapter)
        self._adapter = adapter
        self._weights = weights
        self._run = QueueRun(adapter, target=hunt)
        self._jobs = 0

    @property
    def reached(self) -> Counter[str]:
        """The situations that the run has met, and how often."""
        return self._run.sometimes

    @property
    def paused(self) -> tuple[str, ...]:
        """The processes that are stopped inside their work."""
        return tuple([name for name in PROCESSES if self._run.at(name).where is not Where.REST])

    def choices(self) -> tuple[Choice, ...]:
        """A first job; then what can happen, each as often as its weight says."""
        if not self._jobs:
            return (self._enqueue(),)
        return tuple([choice for name, weight in self._weights.items() for choice in self._of(name) * weight])

    def take(self, moves: Moves) -> None:
        """Take these moves; those that cannot happen are left out. Raises QueueBroke."""
        with self._judging():
            for move in moves:
                if self._run.possible(move):
                    self._jobs += isinstance(move, Enqueue)
                    self._run.apply(move)

    def finish(self) -> None:
        """Recover, schedule fairly, and judge what is left. Raises QueueBroke."""
        with self._judging():
            self._run.finish()

    def close(self) -> None:
        """Let go of the world."""
        self._run.close()

    def _enqueue(self) -> Choice:
        return Choice(rule="enqueue", arguments={"key": f"job-{self._jobs + 1}"})

    def _of(self, rule: str) -> tuple[Choice, ...]:
        """The choice of a rule, or nothing."""
        if rule != "enqueue":
            return (Choice(rule=rule),)
        return (self._enqueue(),) if self._jobs < JOBS_MAX else ()

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Inside, trouble is a failure that a test shows."""
        try:
            yield
        except Troubled as troubled:
            trouble = troubled.trouble
            claim = claim_of(self._adapter, trouble.topic)
            said = "" if claim is None else f' The documents say: "{claim.sentence}" ({claim.where})'
            raise QueueBroke(f"{verdict_of(claim)}: {trouble.text}.{said}") from None


@frozen
class JudgedRuns:
    """The runs of a queue, one after the other."""

    adapter: Adapter
    hunt: Hunt | None
    weights: Mapping[str, int]

    def begin(self) -> JudgedRun:
        """A new run."""
        return JudgedRun(self.adapter, self.hunt, self.weights)

    def close(self) -> None:
        """Nothing is shared."""


@cache
def _boundaries(adapter: Adapter) -> tuple[str, ...]:
    """The boundaries of a worker, the one in a job first."""
    inner = [label for label in learn(adapter).work if not label.startswith(OPENING)]
    return tuple(dict.fromkeys((f"{HANDLE}#1", *inner)))
