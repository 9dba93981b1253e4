"""Keys for external effects: all attempts at a job send one key to another system. Protects INV_001.

No transaction holds a queue and a payment gateway together. A worker may die after the gateway has charged
and before the job is committed. The next attempt cannot know that, and calls again. So each attempt at a job
sends the same idempotency key, and a gateway that honours the key charges once.
"""

from hashlib import blake2b
from typing import ClassVar

from attrs import field, frozen, validators

from system.policies.lease import Lease


@frozen(kw_only=True)
class ExternalKeys:
    """Makes the keys. Two queues that call the same system need different prefixes."""

    protects: ClassVar[tuple[str, ...]] = ("INV_001",)

    prefix: str = field(default="job", validator=validators.min_len(1))

    def key(self, lease: Lease) -> str:
        """The key for requests of this attempt: the same for every attempt at its job.

        If the job has an idempotency key, the key is a digest of it: a producer that enqueues again after the
        store was restored from a backup asks for the same thing. Else the key has the job's random token, so
        that no restored store gives it to another job. A job of schema version 2 has no token; it keeps the
        key that its first attempts may have used.
        """
        job = lease.job
        if not job.token:
            return f"{self.prefix}-{job.id}"
        if job.key is not None:
            return f"{self.prefix}-{blake2b(job.key.encode(), digest_size=16).hexdigest()}"
        return f"{self.prefix}-{job.id}-{job.token}"
