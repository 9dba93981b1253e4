"""The retry budget: so many retries in a window of time, whatever the number of jobs. Protects INV_006.

When every job fails, every job is retried. Backoff spreads the retries out; only a budget bounds them. While
the budget is spent, leases pass over retries and take new jobs. The lease that spends the last retry writes
one audit row; retries that wait cost nothing.
"""

from typing import ClassVar

from attrs import field, frozen, validators

from system.audit import EventKind, Operation, Reason
from system.settings import integer, seconds
from system.store import Execution, Transaction


@frozen(kw_only=True)
class RetryBudget:
    """At most `retries_max` leases after the first of a job in any `window_seconds`; None for no limit."""

    protects: ClassVar[tuple[str, ...]] = ("INV_006",)

    retries_max: int | None = field(default=None, validator=validators.optional(integer()))
    window_seconds: float = field(default=60.0, validator=seconds())

    def has_room(self, tx: Transaction) -> bool:
        """True if a retry may begin now."""
        return self.retries_max is None or len(self._recent(tx)) < self.retries_max

    def spend(self, tx: Transaction, retry: Execution) -> None:
        """A retry begins."""
        if self.retries_max is None:
            return
        tx.add_retry(forget_until=tx.now - self._window_ms)
        if not self.has_room(tx):
            tx.record(
                event=EventKind.EXHAUSTED,
                operation=Operation.LEASE,
                actor=retry.worker,
                job_id=retry.job_id,
                execution_id=retry.id,
                reason=Reason.RETRY_BUDGET,
            )

    def _recent(self, tx: Transaction) -> list[int]:
        return [at for at in tx.retries() if at > tx.now - self._window_ms]

    @property
    def _window_ms(self) -> int:
        return round(self.window_seconds * 1000)
