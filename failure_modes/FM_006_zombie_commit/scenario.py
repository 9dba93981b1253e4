"""FM_006 zombie commit: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import CommitBoundary, Execution, Fence, Reason, Transaction


class LockWithoutToken(CommitBoundary):
    """Accepts a commit if any worker holds a lock on the job: the fence and its token are left out."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del fence
        if tx.effect_of(execution.job_id):
            return Reason.ALREADY_COMMITTED
        locked_until = tx.job(execution.job_id).available_at
        return None if locked_until is not None and locked_until > tx.now else Reason.LEASE_EXPIRED


def without_token(queue: Queue) -> Queue:
    """The queue whose commit checks a lock and no token. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, commit=LockWithoutToken()))


FAILURE_MODE = FailureMode(
    title="zombie commit",
    breaks="INV_003",
    trigger="a worker is paused until its lease has ended, and commits after another worker leased the job",
    policy="fence",
    fault=without_token,
    scope=Scope(constraints=False),
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), steps=15),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=Expected(shortest=6, states=389, must_reach=("a lease expired", "a commit was refused")),
)
