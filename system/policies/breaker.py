"""The circuit breaker: after so many failures in a row nothing is leased for a while. Protects INV_006.

When handlers fail one after the other, a service that they depend on is probably down, and each further
attempt is load that keeps it down. So the breaker opens, with an audit row. After a time it lets one job
through as a probe, and no other for the same time again. A job that is finished closes it (Michael Nygard,
"Release It!", 2007).
"""

from typing import ClassVar

from attrs import evolve, field, frozen, validators

from system.audit import EventKind, Operation
from system.settings import integer, seconds
from system.store import Breaker, Execution, Transaction


@frozen(kw_only=True)
class CircuitBreaker:
    """Opens for `open_seconds` at the `failures_max`th failure in a row; None for never."""

    protects: ClassVar[tuple[str, ...]] = ("INV_006",)

    failures_max: int | None = field(default=None, validator=validators.optional(integer()))
    open_seconds: float = field(default=30.0, validator=seconds())

    def hold(self, tx: Transaction) -> None:
        """Lock the breaker until the transaction ends, before the transaction reads its time."""
        if self.failures_max is not None:
            tx.breaker()

    def is_open(self, tx: Transaction) -> bool:
        """True if no job may be leased."""
        if self.failures_max is None:
            return False
        until = tx.breaker().open_until_at
        return until is not None and tx.now < until

    def leased(self, tx: Transaction) -> None:
        """A job is leased. If the breaker was open, the lease is a probe."""
        if self.failures_max is None:
            return
        breaker = tx.breaker()
        if breaker.open_until_at is not None:
            tx.set_breaker(evolve(breaker, open_until_at=tx.now + self._open_ms))

    def failed(self, tx: Transaction, execution: Execution) -> None:
        """A handler failed."""
        if self.failures_max is None:
            return
        failures = min(tx.breaker().failures + 1, self.failures_max)
        opens = failures == self.failures_max
        tx.set_breaker(Breaker(failures=failures, open_until_at=tx.now + self._open_ms if opens else None))
        if opens:
            self._record(tx, execution, EventKind.OPENED, Operation.FAIL)

    def finished(self, tx: Transaction, execution: Execution) -> None:
        """A job has succeeded."""
        if self.failures_max is None:
            return
        breaker = tx.breaker()
        if breaker.failures:
            tx.set_breaker(Breaker())
        if breaker.open_until_at is not None:
            self._record(tx, execution, EventKind.CLOSED, Operation.FINISH)

    def _record(self, tx: Transaction, execution: Execution, event: EventKind, operation: Operation) -> None:
        tx.record(
            event=event,
            operation=operation,
            actor=execution.worker,
            job_id=execution.job_id,
            execution_id=execution.id,
        )

    @property
    def _open_ms(self) -> int:
        return round(self.open_seconds * 1000)
