"""Right and wrong versions of the policy of FM_001, for the tests of its kata; no learner sees them."""

from system.policies import (
    HELD,
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
    """Asks for an effect and for the lease, and closes the job."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check and write in one transaction."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            refusal = (
                Reason.ALREADY_COMMITTED
                if tx.effect_of(execution.job_id)
                else fence.refusal(execution, tx.now)
            )
            if refusal:
                refuse(tx, execution, Operation.COMMIT, refusal)
                return False
            _write(tx, execution, value)
            tx.set_available(execution.job_id, None)
            return True


class Another:
    """Judges by the rows alone: the execution runs, its lease has not ended, and the job is open."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Close the job first, and refuse with one reason for all."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            runs = execution.status is Status.IN_PROGRESS and execution.lease_expires_at > tx.now
            if not runs or tx.job(execution.job_id).available_at is None:
                refuse(tx, execution, Operation.COMMIT, Reason.LEASE_LOST)
                return False
            tx.set_available(execution.job_id, None)
            _write(tx, execution, value)
        return True


class WrongNoLease(CommitBoundary):
    """Asks for an effect only: an attempt that lost its lease may write."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check for an effect."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if tx.effect_of(execution.job_id):
                refuse(tx, execution, Operation.COMMIT, Reason.ALREADY_COMMITTED)
                return False
            _write(tx, execution, value)
            tx.set_available(execution.job_id, None)
            return True


class WrongNeverCloses(CommitBoundary):
    """Asks for both, and leaves the job open."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check and write."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if tx.effect_of(execution.job_id) or fence.refusal(execution, tx.now):
                refuse(tx, execution, Operation.COMMIT, Reason.LEASE_LOST)
                return False
            _write(tx, execution, value)
            return True


class WrongChecksBefore(CommitBoundary):
    """Checks in one transaction, and writes in the next."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check; then write."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if (
                tx.effect_of(execution.job_id)
                or execution.status not in HELD
                or fence.refusal(execution, tx.now)
            ):
                refuse(tx, execution, Operation.COMMIT, Reason.LEASE_LOST)
                return False
        with store.transaction() as tx:
            _write(tx, tx.execution(held.id), value)
            tx.set_available(execution.job_id, None)
            return True


class WrongRefusesAll(CommitBoundary):
    """Refuses each commit: nothing is done twice."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Refuse."""
        del fence, value
        with store.transaction() as tx:
            refuse(tx, tx.execution(held.id), Operation.COMMIT, Reason.LEASE_LOST)
        return False
