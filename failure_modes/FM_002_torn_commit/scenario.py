"""FM_002 torn commit: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import AlsoBreaks, Bounds, Expected, FailureMode, Queue, Scope, Strategy
from system.policies import (
    CommitBoundary,
    EventKind,
    Execution,
    Fence,
    Operation,
    Reason,
    Status,
    Store,
    Transaction,
    refuse,
)


class TornCommit(CommitBoundary):
    """Writes the effect in one transaction and its record in the next, and checks only the record."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect, and then, in another transaction, its record."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
        with store.transaction() as tx:
            tx.move(
                execution,
                to=Status.COMMITTED,
                event=EventKind.COMMITTED,
                operation=Operation.COMMIT,
                actor=execution.worker,
            )
            tx.set_available(execution.job_id, None)
            return True

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        closed = tx.job(execution.job_id).available_at is None
        return Reason.ALREADY_COMMITTED if closed else fence.refusal(execution, tx.now)


def torn(queue: Queue) -> Queue:
    """The queue with a commit in two transactions. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, commit=TornCommit()))


EXPECTED = Expected(
    shortest=4, states=389, must_reach=("a lease expired", "a crash fell between commit and finish")
)

FAILURE_MODE = FailureMode(
    title="torn commit",
    breaks="INV_002",
    trigger="a read or a crash falls between the effect and its record",
    policy="commit boundary",
    fault=torn,
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1), ("Crash", 1)), steps=20),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=EXPECTED,
    also_breaks=(
        AlsoBreaks(
            breaks="INV_001",
            tolerates=("INV_002", "INV_003"),
            scope=Scope(constraints=False),
            expected=evolve(EXPECTED, shortest=8),
        ),
    ),
)
