"""The fence: only the execution that holds an unexpired lease may go on. Protects INV_003.

After Martin Kleppmann, "How to do distributed locking" (2016): a lease alone does not stop a worker that
was paused past it; the store must check the token with every write. The token here is the execution's id:
each lease makes a new one, and aborts the one before it.
"""

from typing import ClassVar

from attrs import frozen

from system.store import HELD, Execution, Transaction


@frozen
class Fence:
    """Judges a lease."""

    protects: ClassVar[tuple[str, ...]] = ("INV_003",)

    def refusal(self, execution: Execution, now: int) -> str | None:
        """Why the execution may not go on at time `now` (ms), as a reason code; None when it may."""
        if execution.status not in HELD:
            return "lease_lost"
        return "lease_expired" if execution.lease_expires_at <= now else None


def refuse(tx: Transaction, execution: Execution, operation: str, reason: str) -> None:
    """Put it on the record that an operation was refused, and why."""
    tx.record(
        event="refused",
        operation=operation,
        actor=execution.worker,
        job_id=execution.job_id,
        execution_id=execution.id,
        reason=reason,
    )
