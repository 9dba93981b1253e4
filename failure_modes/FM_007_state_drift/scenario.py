"""FM_007 state drift: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.bounds import Bounds
from failure_modes.checker.catalogue import FailureMode, Then
from failure_modes.checker.strategy import Strategy
from system.policies import CommitBoundary, Fence
from system.policies.fence import refuse
from system.queue import Queue
from system.store import Status, Store


class CommitLeavesOpen(CommitBoundary):
    """The right boundary, but that the job is left open: closing it is for whoever finishes."""

    def commit(self, store: Store, fence: Fence, execution_id: int, value: str) -> bool:
        """Write the effect and the COMMITTED record; say nothing of the job."""
        with store.transaction() as tx:
            execution = tx.execution(execution_id)
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, "commit", refusal)
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            tx.move(
                execution, to=Status.COMMITTED, event="committed", operation="commit", actor=execution.worker
            )
            return True


class TwoTruths(Queue):
    """The job has a state of its own, open or closed, and it is written after the execution's.

    Whoever has run the handler closes the job: when he is done, and when he is refused, since then it must be
    done already.
    """

    def commit_json(self, execution_id: int, value: str) -> bool:
        """The effect and its record; or the job is closed, for whoever was refused came too late."""
        committed = super().commit_json(execution_id, value)
        if not committed:
            self._close(execution_id)
        return committed

    def finish(self, execution_id: int) -> bool:
        """The execution is done; then the job is closed."""
        finished = super().finish(execution_id)
        self._close(execution_id)
        return finished

    def _close(self, execution_id: int) -> None:
        """Close the job of that execution, in a transaction of its own."""
        with self.store.transaction() as tx:
            tx.set_available(tx.execution(execution_id).job_id, None)


def two_truths(queue: Queue) -> Queue:
    """The queue that writes the state of a job beside its executions, and all else as it was."""
    policies = evolve(queue.policies, commit=CommitLeavesOpen())
    return TwoTruths(store=queue.store, policies=policies, lease_seconds=queue.lease_seconds)


FAILURE_MODE = FailureMode(
    title="state drift",
    breaks="INV_003",
    then=(Then(breaks="INV_004", shortest=4),),
    trigger="a lease runs out between the two writes of one change of state, or before the first",
    policy="commit boundary",
    swap=two_truths,
    strategy=Strategy(weights=(("Step", 5), ("Enqueue", 1), ("Tick", 1), ("Crash", 1)), steps=20),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    must_reach=("a lease expired", "a crash fell between commit and finish"),
    shortest=7,
    states=389,
)
