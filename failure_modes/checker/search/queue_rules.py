"""The rules of a machine: a name for everything that can happen to a queue.

A rule says which actions or moves are taken, and nothing of how they are chosen, carried out or judged: that
is `queue_machine.py`. The rules that have no strategies get their arguments from what can happen now.
"""

from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from hypothesis.strategies import SearchStrategy, integers, runner, sampled_from

from failure_modes.checker.experiment.moves import WORKERS, FailJob, Housekeep, Work
from failure_modes.checker.search.judged_run import JOBS_MAX
from failure_modes.checker.search.machine_run import MachineRun
from failure_modes.checker.subject.adapter import Adapter
from model.actions import (
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
    actor_of,
)


def _of_run(name: str) -> SearchStrategy[str]:
    """One of what the run has under this name."""
    return runner().flatmap(lambda machine: sampled_from(getattr(machine.run, name)))


WORKER = sampled_from(WORKERS)
BOUNDARY, PAUSED = _of_run("boundaries"), _of_run("paused")

when_paused = precondition(lambda machine: bool(machine.run.paused))
"""The rule can happen only while a process is stopped inside its work."""


class QueueRules(RuleBasedStateMachine):
    """The rules. `QueueMachine` gives the run, and takes the moves."""

    adapter: ClassVar[Adapter]
    """Any queue."""
    run: MachineRun

    # What happens to any queue.

    @rule()
    def enqueue(
        self, key: str, poison: bool = False, payload: str | None = None, then_steps: int = 0
    ) -> None:
        """A producer enqueues a job."""
        self._act(Enqueue(key=key, poison=poison, payload=payload), then_steps)

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
    def hang_handler(self, worker: str, then_steps: int = 0) -> None:
        """The handler of a worker does not return any more."""
        self._act(Hang(worker=worker), then_steps)

    @rule()
    def time_out_handler(self, worker: str, then_steps: int = 0) -> None:
        """The handler of a worker has run for too long, so the worker breaks it off."""
        self._act(TimeOut(worker=worker), then_steps)

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
    def lose_reply(self, worker: str, of: str = "Step", key: str | None = None, then_steps: int = 0) -> None:
        """A process takes the action `of`, and the reply to its COMMIT is lost."""
        self._act(LostReply(worker=worker, of=of, key=key), then_steps)

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
    def skew_clock(self, worker: str, seconds: float) -> None:
        """The clock of one process is ahead or behind."""
        self._take(ClockSkew(worker=worker, seconds=seconds))

    @rule()
    def rest(self) -> None:
        """Nothing can happen any more."""

    def _act(self, action: Action, then_steps: int) -> None:
        """Take an action, and some steps of the process that it moves."""
        self._take(action, *[Step(worker=actor_of(action) or "")] * then_steps)

    def _take(self, *moves: Any) -> None:
        """Take these moves, one after the other."""
        raise NotImplementedError
