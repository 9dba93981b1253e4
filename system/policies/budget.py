"""The retry budget: so many retries in a window of time, whatever the number of jobs. Protects INV_006.

A failure that hits every job makes each of them try again. Backoff spreads that out; only a budget bounds it.
While there is none left, leases pass over retries and take new jobs. The lease that spends the last one
writes that down, once; retries that wait cost nothing.
"""

from typing import ClassVar

from attrs import field, frozen, validators

from system.audit import EventKind, Operation, Reason
from system.settings import seconds, whole
from system.store import Execution, Transaction


@frozen(kw_only=True)
class RetryBudget:
    """At most `retries_max` leases after the first of a job in any `window_seconds`; None for no limit."""

    protects: ClassVar[tuple[str, ...]] = ("INV_006",)

    retries_max: int | None = field(default=None, validator=validators.optional(whole()))
    window_seconds: float = field(default=60.0, validator=seconds())

    def has_room(self, tx: Transaction) -> bool:
        """Whether a retry may begin now."""
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
