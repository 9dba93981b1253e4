"""FM_001 duplicate retry: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import CommitBoundary, EventKind, Execution, Fence, Operation, Status, Store


class NoCommitBoundary(CommitBoundary):
    """Accepts every commit: it does not check for an earlier commit, and never closes the job."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record, without a check."""
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
    """The queue without its commit boundary. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, commit=NoCommitBoundary()))


FAILURE_MODE = FailureMode(
    title="duplicate retry",
    breaks="INV_001",
    trigger="a lease runs out before the job is finished, and the job is retried",
    policy="commit boundary",
    fault=without_commit_boundary,
    scope=Scope(constraints=False),
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), steps=20),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=Expected(
        shortest=8,
        states=389,
        must_reach=("a lease expired", "a commit was refused", "a second commit was refused"),
    ),
)
