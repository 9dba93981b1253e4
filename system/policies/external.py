"""Keys for external effects: all attempts at a job ask another system under one key. Protects INV_001.

No transaction holds a queue and a payment gateway together. A worker may die after the gateway has charged
and before the job is committed, and the next attempt calls again: it cannot know. So each attempt at a job
gives the same idempotency key, and the gateway, which honours it, charges once.
"""

from typing import ClassVar

from attrs import field, frozen, validators

from system.store import Execution


@frozen(kw_only=True)
class ExternalKeys:
    """Two queues that call the same system need prefixes of their own."""

    protects: ClassVar[tuple[str, ...]] = ("INV_001",)

    prefix: str = field(default="job", validator=validators.min_len(1))

    def key(self, execution: Execution) -> str:
        """The key for what this execution asks of others: the same for every attempt at its job."""
        return f"{self.prefix}-{execution.job_id}"
