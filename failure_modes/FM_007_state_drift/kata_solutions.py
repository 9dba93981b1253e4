"""Right and wrong versions of the policy of FM_007, for the tests of its kata; no learner sees them.

In them the queue does not close the job after it finished the execution.
"""

from system.policies import (
    CommitBoundary,
    EventKind,
    Execution,
    Fence,
    Operation,
    Status,
    Store,
    Transaction,
    refuse,
)


def _write(tx: Transaction, execution: Execution, value: str) -> None:
    tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
    tx.move(
        execution,
        to=Status.COMMITTED,
        event=EventKind.COMMITTED,
        operation=Operation.COMMIT,
        actor=execution.worker,
    )


class Reference(CommitBoundary):
    """Closes the job in the commit."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check, write and close in one transaction."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            _write(tx, execution, value)
            tx.set_available(execution.job_id, None)
            return True


class Another(CommitBoundary):
    """Closes first, in the same transaction, and asks the fence itself."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Close, write, or refuse."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            lost = fence.refusal(execution, tx.now)
            if not lost:
                tx.set_available(execution.job_id, None)
                _write(tx, execution, value)
                return True
            refuse(tx, execution, Operation.COMMIT, lost)
            return False


class WrongNeverCloses(CommitBoundary):
    """Leaves the job open."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check and write."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            _write(tx, execution, value)
            return True


class WrongAlwaysCloses(CommitBoundary):
    """Closes the job in each commit, also in one that is refused."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Close; then check and write."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            tx.set_available(execution.job_id, None)
            refusal = self._refusal(tx, fence, execution)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            _write(tx, execution, value)
            return True


class WrongClosesBefore(CommitBoundary):
    """Closes the job in a transaction of its own, before it writes."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Close; then check and write."""
        with store.transaction() as tx:
            if fence.refusal(tx.execution(held.id), tx.now) is None:
                tx.set_available(held.job_id, None)
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = fence.refusal(execution, tx.now)
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            _write(tx, execution, value)
            return True
