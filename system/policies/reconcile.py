"""Reconciliation: ends the executions that dead workers left. Protects INV_004, INV_005.

An execution that is COMMITTED and was never finished is finished: its effect is durable. An execution whose
lease expired before the commit is aborted, and its job may be leased again. Reconciliation judges only leases
that have run out, inside one transaction, so it is safe to run twice, and beside live workers.
"""

from typing import ClassVar

from attrs import field, frozen

from system.audit import EventKind, Operation, Reason
from system.policies.retry import Retry
from system.settings import integer
from system.store import Execution, Status, Store, Transaction, UnreadableRow


@frozen(kw_only=True)
class Reconciled:
    """The numbers of executions that one run ended."""

    finished: int
    aborted: int


@frozen(kw_only=True)
class Reconciliation:
    """`batch` bounds the executions of one run, so that its transaction stays short."""

    protects: ClassVar[tuple[str, ...]] = ("INV_004", "INV_005")

    batch: int = field(default=500, validator=integer())

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """End the executions whose lease has run out, oldest first."""
        finished = aborted = 0
        with store.transaction() as tx:
            for execution in self._expired(tx, actor):
                if execution.status is Status.COMMITTED:
                    tx.move(
                        execution,
                        to=Status.DONE,
                        event=EventKind.FINISHED,
                        operation=Operation.RECONCILE,
                        actor=actor,
                        reason=Reason.ABANDONED,
                    )
                    finished += 1
                else:
                    tx.move(
                        execution,
                        to=Status.ABORTED,
                        event=EventKind.EXPIRED,
                        operation=Operation.RECONCILE,
                        actor=actor,
                    )
                    retry.bury_if_spent(tx, execution, operation=Operation.RECONCILE, actor=actor)
                    aborted += 1
        return Reconciled(finished=finished, aborted=aborted)

    def _expired(self, tx: Transaction, actor: str) -> tuple[Execution, ...]:
        """The executions to end. A job that cannot be read is set aside."""
        while True:
            try:
                return tx.expired(self.batch)
            except UnreadableRow as bad:
                tx.give_up_unreadable(bad, operation=Operation.RECONCILE, actor=actor)
