"""The retry policy: a budget of attempts, and exponential backoff between them. Protects INV_003, INV_005.

Each lease is an attempt, so a job that kills its worker spends its budget too. A job whose budget is spent
is buried (the dead letter): it is FAILED, with an audit row that says why, and is never leased again.
"""

from typing import ClassVar

from attrs import field, frozen, validators

from system.store import Execution, Transaction


@frozen(kw_only=True)
class Retry:
    """`attempts_max` leases a job; after a failure `backoff_seconds`, doubled each time, to a maximum."""

    protects: ClassVar[tuple[str, ...]] = ("INV_003", "INV_005")

    attempts_max: int = field(default=3, validator=validators.ge(1))
    backoff_seconds: float = field(default=1.0, validator=validators.ge(0))
    backoff_max_seconds: float = field(default=60.0, validator=validators.ge(0))

    def backoff_ms(self, attempt: int) -> int:
        """How long, in milliseconds, to wait after that attempt (1, 2, …) has failed."""
        doublings = min(attempt - 1, 64)  # past that the maximum has long been reached
        return round(1000 * min(self.backoff_max_seconds, self.backoff_seconds * (1 << doublings)))

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: str, actor: str) -> bool:
        """Give the job up if `last` was its last attempt. Returns whether it was."""
        if last.attempt < tx.job(last.job_id).attempts_max:
            return False
        tx.record(
            event="buried", operation=operation, actor=actor, job_id=last.job_id, reason="attempts_spent"
        )
        tx.set_available(last.job_id, None)
        return True
