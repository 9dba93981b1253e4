"""FM_006 zombie commit: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import CommitBoundary, Execution, Fence, Reason, Transaction


class LockWithoutToken(CommitBoundary):
    """A commit needs the job to be locked, and nobody asks by whom: the fence and its token are left out."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del fence
        if tx.effect_of(execution.job_id):
            return Reason.ALREADY_COMMITTED
        locked_until = tx.job(execution.job_id).available_at
        return None if locked_until is not None and locked_until > tx.now else Reason.LEASE_EXPIRED


def without_token(queue: Queue) -> Queue:
    """The queue whose commit asks for a lock and for no token, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, commit=LockWithoutToken()))


FAILURE_MODE = FailureMode(
    title="zombie commit",
    breaks="INV_003",
    trigger="a worker is paused past its lease, and comes to commit after the job went to another",
    policy="fence",
    fault=without_token,
    scope=Scope(constraints=False),
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), steps=15),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=Expected(shortest=6, states=389, must_reach=("a lease expired", "a commit was refused")),
)
