"""Right and wrong versions of the policy of FM_014, for the tests of its kata; no learner sees them."""

from system.policies import EventKind, Execution, Operation, Reason, Retry, Transaction


def _bury(tx: Transaction, last: Execution, operation: Operation, actor: str) -> None:
    tx.record(
        event=EventKind.BURIED,
        operation=operation,
        actor=actor,
        job_id=last.job_id,
        reason=Reason.ATTEMPTS_SPENT,
    )


class Reference(Retry):
    """Writes the audit row."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Write the row, and close the job."""
        if last.attempt < tx.job(last.job_id).attempts_max:
            return False
        _bury(tx, last, operation, actor)
        tx.set_available(last.job_id, None)
        return True


class Another(Retry):
    """Closes first, and asks the other way round."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Close the job, and write the row."""
        spent = last.attempt >= tx.job(last.job_id).attempts_max
        if spent:
            tx.set_available(last.job_id, None)
            _bury(tx, last, operation, actor)
        return spent


class Written(Retry):
    """The policy written from its requirement."""

    bury_if_spent = Another.bury_if_spent


class WrongOpen(Retry):
    """Writes the row, and leaves the job open."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Write the row only."""
        if last.attempt < tx.job(last.job_id).attempts_max:
            return False
        _bury(tx, last, operation, actor)
        return True


class WrongTooEarly(Retry):
    """Gives each job up at its first failure."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Bury without a look at the number of attempts."""
        _bury(tx, last, operation, actor)
        tx.set_available(last.job_id, None)
        return True


class WrongTooLate(Retry):
    """Counts one attempt too many."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Bury when the number is above the maximum."""
        if last.attempt <= tx.job(last.job_id).attempts_max:
            return False
        _bury(tx, last, operation, actor)
        tx.set_available(last.job_id, None)
        return True
