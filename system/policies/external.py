"""Keys for external effects: all attempts at a job ask another system under one key. Protects INV_001.

No transaction holds a queue and a payment gateway together. A worker may die after the gateway has charged
and before the job is committed, and the next attempt calls again: it cannot know. So each attempt at a job
gives the same idempotency key, and the gateway, which honours it, charges once.
"""

from hashlib import blake2b
from typing import ClassVar

from attrs import field, frozen, validators

from system.policies.lease import Lease


@frozen(kw_only=True)
class ExternalKeys:
    """Two queues that call the same system need prefixes of their own."""

    protects: ClassVar[tuple[str, ...]] = ("INV_001",)

    prefix: str = field(default="job", validator=validators.min_len(1))

    def key(self, lease: Lease) -> str:
        """The key for what this attempt asks of others: the same for every attempt at its job.

        A job that has an idempotency key passes on a digest of it: a producer that asks again after the store
        was restored from a backup asks for the same thing. A job without one has its random token in it, so
        that no restored store gives its key to another job. A job of schema version 2 has no token; it keeps
        the key that its first attempts may have used.
        """
        job = lease.job
        if not job.token:
            return f"{self.prefix}-{job.id}"
        if job.key is not None:
            return f"{self.prefix}-{blake2b(job.key.encode(), digest_size=16).hexdigest()}"
        return f"{self.prefix}-{job.id}-{job.token}"
