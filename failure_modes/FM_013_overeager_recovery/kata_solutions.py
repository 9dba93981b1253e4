"""Right and wrong versions of the policy of FM_013, for the tests of its kata; no learner sees them."""

from system.policies import (
    EventKind,
    Execution,
    Operation,
    Reason,
    Reconciled,
    Reconciliation,
    Retry,
    Status,
    Store,
    Transaction,
)

OPEN = (Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED)


def _finish(tx: Transaction, execution: Execution, actor: str) -> None:
    tx.move(
        execution,
        to=Status.DONE,
        event=EventKind.FINISHED,
        operation=Operation.RECONCILE,
        actor=actor,
        reason=Reason.ABANDONED,
    )


def _abort(tx: Transaction, execution: Execution, retry: Retry, actor: str) -> None:
    tx.move(
        execution,
        to=Status.ABORTED,
        event=EventKind.EXPIRED,
        operation=Operation.RECONCILE,
        actor=actor,
    )
    retry.bury_if_spent(tx, execution, operation=Operation.RECONCILE, actor=actor)


def _end(tx: Transaction, execution: Execution, retry: Retry, actor: str) -> bool:
    """End it, and say if it was committed."""
    committed = execution.status is Status.COMMITTED
    if committed:
        _finish(tx, execution, actor)
    else:
        _abort(tx, execution, retry, actor)
    return committed


class Reference(Reconciliation):
    """Reads the expired executions in the transaction that ends them."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read and end in one transaction."""
        with store.transaction() as tx:
            ended = [_end(tx, execution, retry, actor) for execution in tx.expired(self.batch)]
        return Reconciled(finished=ended.count(True), aborted=ended.count(False))


class Another(Reconciliation):
    """Ends one execution after the other, and asks for the next one each time, in one transaction."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """End the oldest as long as there is one."""
        ended: list[bool] = []
        with store.transaction() as tx:
            while len(ended) < self.batch and (expired := tx.expired(1)):
                ended.append(_end(tx, expired[0], retry, actor))
        return Reconciled(finished=ended.count(True), aborted=ended.count(False))


class AnotherEachAlone(Reconciliation):
    """Makes a list first, and reads each execution again before it ends it, in a transaction of its own."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read; then read each again, and end it."""
        ended = []
        for found in store.executions():
            if found.status not in OPEN:
                continue
            with store.transaction() as tx:
                execution = tx.execution(found.id)
                if execution.status in OPEN and execution.lease_expires_at <= tx.now:
                    ended.append(_end(tx, execution, retry, actor))
        return Reconciled(finished=ended.count(True), aborted=ended.count(False))


class Written(Reconciliation):
    """The policy written from its requirement."""

    run = Reference.run


class WrongNoNewLease(Reconciliation):
    """Reads the status again, and not the lease, which a heartbeat may have extended."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read; then read the status again."""
        found = [execution for execution in store.executions() if execution.status in OPEN]
        if not found:
            return Reconciled(finished=0, aborted=0)
        with store.transaction() as tx:
            expired = [execution for execution in found if execution.lease_expires_at <= tx.now]
            now = [tx.execution(execution.id) for execution in expired]
            ended = [_end(tx, execution, retry, actor) for execution in now if execution.status in OPEN]
        return Reconciled(finished=ended.count(True), aborted=ended.count(False))


class WrongOldStatus(Reconciliation):
    """Reads the lease again, and not the status."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read; then read the lease again."""
        found = [execution for execution in store.executions() if execution.status in OPEN]
        if not found:
            return Reconciled(finished=0, aborted=0)
        with store.transaction() as tx:
            expired = [one for one in found if tx.execution(one.id).lease_expires_at <= tx.now]
            for execution in expired:
                if execution.status is Status.COMMITTED:
                    _finish(tx, tx.execution(execution.id), actor)
                else:
                    _abort(tx, tx.execution(execution.id), retry, actor)
        return Reconciled(finished=0, aborted=len(expired))


class WrongAbortsAll(Reconciliation):
    """Reads all again, and aborts what was committed."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Abort each expired execution."""
        with store.transaction() as tx:
            expired = tx.expired(self.batch)
            for execution in expired:
                _abort(tx, execution, retry, actor)
        return Reconciled(finished=0, aborted=len(expired))


class WrongFinishesAll(Reconciliation):
    """Reads all again, and finishes what was never committed."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Finish each expired execution."""
        del retry
        with store.transaction() as tx:
            expired = tx.expired(self.batch)
            for execution in expired:
                _finish(tx, execution, actor)
        return Reconciled(finished=len(expired), aborted=0)


class WrongNeverBuries(Reconciliation):
    """Aborts, and leaves a job without attempts open."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read and end in one transaction, and never bury."""
        del retry
        with store.transaction() as tx:
            expired = tx.expired(self.batch)
            for execution in expired:
                tx.move(
                    execution,
                    to=Status.DONE if execution.status is Status.COMMITTED else Status.ABORTED,
                    event=EventKind.FINISHED if execution.status is Status.COMMITTED else EventKind.EXPIRED,
                    operation=Operation.RECONCILE,
                    actor=actor,
                    reason=Reason.ABANDONED if execution.status is Status.COMMITTED else None,
                )
        return Reconciled(finished=0, aborted=len(expired))
