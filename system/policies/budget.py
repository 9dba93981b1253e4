"""The retry budget: so many retries in a window of time, whatever the number of jobs. Protects INV_005.

A failure that hits every job makes each of them try again. Backoff spreads that out; only a budget bounds it.
A retry for which there is none left is postponed, on the record, until the window has room for it.
"""

from typing import ClassVar

from attrs import field, frozen, validators

from system.settings import seconds, whole
from system.store import Transaction


@frozen(kw_only=True)
class RetryBudget:
    """At most `retries_max` leases after the first of a job in any `window_seconds`; None for no limit.

    One lease postpones at most `batch` jobs, so that its transaction stays short; then it finds nothing.
    """

    protects: ClassVar[tuple[str, ...]] = ("INV_005",)

    retries_max: int | None = field(default=None, validator=validators.optional(whole()))
    batch: int = field(default=100, validator=whole())
    window_seconds: float = field(default=60.0, validator=seconds())

    def postponed_to(self, tx: Transaction) -> int | None:
        """When a retry may begin (ms), if that is not now."""
        if self.retries_max is None:
            return None
        recent = [at for at in tx.retries() if at > tx.now - self._window_ms]
        if len(recent) < self.retries_max:
            return None
        return recent[-self.retries_max] + self._window_ms

    def spend(self, tx: Transaction) -> None:
        """A retry begins."""
        if self.retries_max is not None:
            tx.add_retry(forget_until=tx.now - self._window_ms)

    @property
    def _window_ms(self) -> int:
        return round(self.window_seconds * 1000)
