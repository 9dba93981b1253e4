"""The fence: only the execution that holds an unexpired lease may go on. Protects INV_003.

After Martin Kleppmann, "How to do distributed locking" (2016): a lease alone does not stop a worker that
was paused past it; the store must check the token with every write. Each lease makes an execution with a
token of its own, and aborts the execution before it. The token is random, not a count: a store that was
restored from a backup, or a standby that lacks the last commits, counts the same numbers again.
"""

from typing import ClassVar

from attrs import frozen

from system.audit import EventKind, Operation, Reason
from system.store import HELD, Execution, Transaction, UnreadableRow


@frozen
class Fence:
    """Judges a lease."""

    protects: ClassVar[tuple[str, ...]] = ("INV_003",)

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """The reason why the execution may not go on at time `now` (ms); None if it may."""
        if execution.status not in HELD:
            return Reason.LEASE_LOST
        return Reason.LEASE_EXPIRED if execution.lease_expires_at <= now else None


def found(tx: Transaction, held: Execution, operation: Operation) -> Execution | None:
    """The execution that a worker holds, as it is now.

    None if the store has no execution of that id, or another one: the store was set back to an earlier state
    after the lease. If there is another one, an audit row says `unknown_token`. Also None if the row cannot
    be read; then its job is set aside.
    """
    try:
        execution = tx.find_execution(held.id)
    except UnreadableRow as bad:
        tx.give_up_unreadable(bad, operation=operation, actor=held.worker)
        return None
    if execution is None or execution.token == held.token:
        return execution
    tx.record(
        event=EventKind.REFUSED,
        operation=operation,
        actor=held.worker,
        job_id=execution.job_id,
        execution_id=execution.id,
        reason=Reason.UNKNOWN_TOKEN,
    )
    return None


def refuse(tx: Transaction, execution: Execution, operation: Operation, reason: Reason) -> None:
    """Write the audit row of an operation that is refused."""
    tx.record(
        event=EventKind.REFUSED,
        operation=operation,
        actor=execution.worker,
        job_id=execution.job_id,
        execution_id=execution.id,
        reason=reason,
    )
