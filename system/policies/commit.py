"""The commit boundary: effect and COMMITTED record in one transaction, once a job. Protects INV_001, INV_002.

Delivery is at least once, so two workers may both try to commit. Only the boundary decides between them: the
first closes the job, and each later one is refused, with an audit row.
"""

from typing import ClassVar

from attrs import frozen

from system.audit import EventKind, Operation, Reason
from system.policies.fence import Fence, found, refuse
from system.store import Execution, Status, Store, Transaction


@frozen
class CommitBoundary:
    """Admits at most one commit a job."""

    protects: ClassVar[tuple[str, ...]] = ("INV_001", "INV_002")

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the effect and the COMMITTED record, or refuse. True if it was committed."""
        with store.transaction() as tx:
            execution = found(tx, held, Operation.COMMIT)
            if execution is None:
                return False
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
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
        if tx.effect_of(execution.job_id):
            return Reason.ALREADY_COMMITTED
        lost = fence.refusal(execution, tx.now)
        if lost is None and execution.status is Status.LEASED:
            return Reason.NOT_STARTED
        return lost
