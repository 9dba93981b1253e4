"""Idempotent enqueue: a key has one job, however often its producer asks. Protects INV_001.

A producer whose reply was lost cannot know whether its job was accepted, so it must be able to enqueue again.
"""

from typing import ClassVar

from attrs import frozen

from system.audit import EventKind, Operation
from system.store import Job, Store


@frozen(kw_only=True)
class Accepted:
    """The job of an enqueue. `existed` is True if its idempotency key had a job already."""

    job: Job
    existed: bool
    same_payload: bool = True
    """True unless the job that existed has another payload."""


@frozen
class Idempotency:
    """Looks for the key and adds the job in one transaction."""

    protects: ClassVar[tuple[str, ...]] = ("INV_001",)

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add the job, or return the one that its key already has. `payload_json` is JSON text."""
        with store.transaction() as tx:
            existing = None if key is None else tx.job_by_key(key)
            if existing:
                tx.record(
                    event=EventKind.DUPLICATE, operation=Operation.ENQUEUE, actor=actor, job_id=existing.id
                )
                same = existing.payload_json == payload_json
                return Accepted(job=existing, existed=True, same_payload=same)
            job = tx.add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
            tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
            return Accepted(job=job, existed=False)
