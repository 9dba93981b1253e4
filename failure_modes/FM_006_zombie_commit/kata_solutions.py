"""Right and wrong versions of the policy of FM_006, for the tests of its kata; no learner sees them."""

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


class Reference(CommitBoundary):
    """Asks the fence."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        if tx.effect_of(execution.job_id):
            return Reason.ALREADY_COMMITTED
        if execution.status is Status.LEASED:
            return Reason.NOT_STARTED
        return fence.refusal(execution, tx.now)


class Another(CommitBoundary):
    """Asks for the last execution of the job, and for its token and its time."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del fence
        last = tx.last_execution(execution.job_id)
        mine = last is not None and last.token == execution.token
        if not mine or execution.status is not Status.IN_PROGRESS:
            return Reason.LEASE_LOST
        return None if execution.lease_expires_at > tx.now else Reason.LEASE_EXPIRED


class Written:
    """The policy written from its requirement."""

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Check and write in one transaction."""
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            lost = fence.refusal(execution, tx.now)
            if lost or execution.status is Status.LEASED or tx.effect_of(execution.job_id):
                refuse(tx, execution, Operation.COMMIT, lost or Reason.NOT_STARTED)
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


class WrongStatusOnly(CommitBoundary):
    """Asks if the execution was taken away, and not if its lease has ended."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del tx, fence
        return None if execution.status in HELD else Reason.LEASE_LOST


class WrongOneTooLate(CommitBoundary):
    """Takes the moment at which the lease ends for a part of the lease."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del fence
        if execution.status not in HELD:
            return Reason.LEASE_LOST
        return Reason.LEASE_EXPIRED if execution.lease_expires_at < tx.now else None


class WrongByName(CommitBoundary):
    """Asks if the last worker that leased the job has the same name."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        del fence
        last = tx.last_execution(execution.job_id)
        return None if last and last.worker == execution.worker else Reason.LEASE_LOST
