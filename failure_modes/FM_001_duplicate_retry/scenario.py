"""FM_001 duplicate retry: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from system.audit import EventKind, Operation
from system.policies import CommitBoundary, Fence
from system.queue import Queue
from system.store import Execution, Status, Store


class NoCommitBoundary(CommitBoundary):
    """Whoever comes to commit may commit: nobody asks who was first, and the job is never closed."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record, whatever happened meanwhile."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            tx.move(
                execution,
                to=Status.COMMITTED,
                event=EventKind.COMMITTED,
                operation=Operation.COMMIT,
                actor=execution.worker,
            )
            return True


def without_commit_boundary(queue: Queue) -> Queue:
    """The queue with its commit boundary taken out, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, commit=NoCommitBoundary()))


FAILURE_MODE = FailureMode(
    title="duplicate retry",
    breaks="INV_001",
    trigger="a lease runs out before the job is finished, and the job is retried",
    policy="commit boundary",
    swap=without_commit_boundary,
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), scope=Scope(constraints=False), steps=20
    ),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    must_reach=("a lease expired", "a commit was refused", "a second commit was refused"),
    shortest=8,
    states=389,
    switches_off="commit",
)
