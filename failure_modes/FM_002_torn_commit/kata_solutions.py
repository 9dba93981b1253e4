"""Right and wrong versions of the policy of FM_002, for the tests of its kata; no learner sees them."""

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


def _refused(tx: Transaction, fence: Fence, execution: Execution) -> bool:
    reason = Reason.ALREADY_COMMITTED if tx.effect_of(execution.job_id) else fence.refusal(execution, tx.now)
    if reason:
        refuse(tx, execution, Operation.COMMIT, reason)
    return reason is not None


def _record(tx: Transaction, execution: Execution) -> None:
    tx.move(
        execution,
        to=Status.COMMITTED,
        event=EventKind.COMMITTED,
        operation=Operation.COMMIT,
        actor=execution.worker,
    )


class Reference(CommitBoundary):
    """One transaction for all."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check, and write the effect and the record."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            _record(tx, execution)
            tx.set_available(execution.job_id, None)
            return True


class Another(CommitBoundary):
    """Looks in one transaction, to refuse early; then looks again in the one that writes."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Look; then check and write, the record first."""
        with store.transaction() as tx:
            if _refused(tx, fence, tx.execution(held.id)):
                return False
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            _record(tx, execution)
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            tx.set_available(execution.job_id, None)
            return True


class WrongRecordFirst(CommitBoundary):
    """Turns the two transactions round."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Write the record, and then the effect."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            _record(tx, execution)
            tx.set_available(execution.job_id, None)
        with store.transaction() as tx:
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            return True


class WrongNoRecord(CommitBoundary):
    """Writes the effect, and no record."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check, and write the effect."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            tx.set_available(execution.job_id, None)
            return True


class WrongNoEffect(CommitBoundary):
    """Writes the record, and no effect."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check, and write the record."""
        del value
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            _record(tx, execution)
            tx.set_available(execution.job_id, None)
            return True


class WrongLooksOnce(CommitBoundary):
    """Writes both in one transaction, and has looked in another."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check; then write."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
        with store.transaction() as tx:
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            _record(tx, execution)
            tx.set_available(execution.job_id, None)
            return True


class WrongClosesLater(CommitBoundary):
    """Writes both in one transaction, and closes the job in the next."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check and write; then close."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            if _refused(tx, fence, execution):
                return False
            tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            _record(tx, execution)
        with store.transaction() as tx:
            tx.set_available(execution.job_id, None)
            return True
