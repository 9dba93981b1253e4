"""The retry policy: a number of attempts, and exponential backoff between them. Protects INV_003, INV_005.

Each lease is an attempt, so a job that kills its worker spends its attempts too. A job whose attempts are
spent is buried (a dead letter): it is FAILED, with an audit row that says why, and is never leased again.
"""

from hashlib import blake2b
from typing import ClassVar

from attrs import field, frozen, validators

from system.audit import EventKind, Operation, Reason
from system.settings import WHOLE_LEAST, integer, seconds
from system.store import Execution, Transaction, UnreadableRow


@frozen(kw_only=True)
class Retry:
    """`attempts_max` leases a job; after a failure `backoff_seconds`, doubled each time, to a maximum.

    With a `jitter_seed` the wait is anything from nothing to that: full jitter (Marc Brooker, "Exponential
    Backoff And Jitter", 2015), so that jobs that failed together do not come back together. It is a function
    of the seed, the job and the attempt: nothing is random, and a run can be repeated.
    """

    protects: ClassVar[tuple[str, ...]] = ("INV_003", "INV_005")

    attempts_max: int = field(default=3, validator=integer())
    backoff_seconds: float = field(default=1.0, validator=seconds(least=0))
    backoff_max_seconds: float = field(default=60.0, validator=seconds(least=0))
    jitter_seed: int | None = field(default=None, validator=validators.optional(integer(least=WHOLE_LEAST)))

    def backoff_ms(self, attempt: int) -> int:
        """The wait, in milliseconds, after that attempt (1, 2, …) has failed, without jitter."""
        doublings = min(attempt - 1, 64)  # more of them are past every maximum
        return round(1000 * min(self.backoff_max_seconds, self.backoff_seconds * (1 << doublings)))

    def wait_ms(self, failed: Execution) -> int:
        """The wait of the job, in milliseconds, after that execution has failed."""
        backoff = self.backoff_ms(failed.attempt)
        if self.jitter_seed is None:
            return backoff
        text = f"{self.jitter_seed}:{failed.job_id}:{failed.attempt}"
        drawn = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
        return backoff * drawn >> 64

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Give the job up if `last` was its last attempt. True if it was given up.

        A job that cannot be read is set aside.
        """
        try:
            if last.attempt < tx.job(last.job_id).attempts_max:
                return False
        except UnreadableRow as bad:
            tx.give_up_unreadable(bad, operation=operation, actor=actor)
            return True
        tx.record(
            event=EventKind.BURIED,
            operation=operation,
            actor=actor,
            job_id=last.job_id,
            reason=Reason.ATTEMPTS_SPENT,
        )
        tx.set_available(last.job_id, None)
        return True
