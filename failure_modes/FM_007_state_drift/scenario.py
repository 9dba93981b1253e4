"""FM_007 state drift: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import AlsoBreaks, Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import CommitBoundary, EventKind, Execution, Fence, Operation, Status, Store, refuse


class CommitLeavesOpen(CommitBoundary):
    """Writes the executions in the commit, and the state of the job, open or closed, in another transaction.

    After a commit, the worker that finishes the execution closes the job. After a refused commit the job is
    closed at once, as if it must be done.
    """

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record, and leave the job open; close it if refused."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = self._refusal(tx, fence, execution)
            if not refusal:
                tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
                tx.move(
                    execution,
                    to=Status.COMMITTED,
                    event=EventKind.COMMITTED,
                    operation=Operation.COMMIT,
                    actor=execution.worker,
                )
                return True
            refuse(tx, execution, Operation.COMMIT, refusal)
        close(store, held)
        return False


class ClosesAfterwards(Queue):
    """A queue that closes the job after it finished the execution, in another transaction."""

    def finish(self, held: Execution) -> bool:
        """Finish the execution; then close the job."""
        finished = super().finish(held)
        close(self.store, held)
        return finished


def close(store: Store, held: Execution) -> None:
    """Close the job of that execution."""
    with store.transaction() as tx:
        tx.set_available(tx.execution(held.id).job_id, None)


def two_truths(queue: Queue) -> Queue:
    """The queue that writes the state of a job beside its executions. Nothing else changes."""
    policies = evolve(queue.policies, commit=CommitLeavesOpen())
    return ClosesAfterwards(store=queue.store, policies=policies, lease_seconds=queue.lease_seconds)


EXPECTED = Expected(
    shortest=7, states=389, must_reach=("a lease expired", "a crash fell between commit and finish")
)

FAILURE_MODE = FailureMode(
    title="state drift",
    breaks="INV_003",
    trigger="a lease runs out between the two writes of one change of state, or before the first",
    policy="commit boundary",
    fault=two_truths,
    scope=Scope(constraints=False),
    strategy=Strategy(weights=(("Step", 5), ("Enqueue", 1), ("Tick", 1), ("Crash", 1)), steps=20),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=EXPECTED,
    also_breaks=(AlsoBreaks(breaks="INV_004", scope=Scope(), expected=evolve(EXPECTED, shortest=4)),),
)
