"""Right and wrong versions of the policy of FM_008, for the tests of its kata; no learner sees them."""

from system.policies import Accepted, EventKind, Idempotency, Operation, Store


class Reference(Idempotency):
    """Passes the key on."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under its key."""
        return super().accept(
            store, key=key, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


class Another:
    """Looks through all jobs for the key, and writes in another order."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Look the key up, and add the job, in one transaction."""
        with store.transaction() as tx:
            found = tx.job_by_key(key) if key is not None else None
            job = found or tx.add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
            event = EventKind.DUPLICATE if found else EventKind.ENQUEUED
            tx.record(event=event, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
        return Accepted(
            job=job, existed=found is not None, same_payload=not found or found.payload_json == payload_json
        )


class Written(Another):
    """The policy written from its requirement."""

    accept = Another.accept


class WrongForgetsTheKey:
    """Looks the key up, and does not keep it."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Add the job without its key."""
        with store.transaction() as tx:
            found = tx.job_by_key(key) if key is not None else None
            job = found or tx.add_job(key=None, payload_json=payload_json, attempts_max=attempts_max)
            event = EventKind.DUPLICATE if found else EventKind.ENQUEUED
            tx.record(event=event, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
        return Accepted(job=job, existed=found is not None)


class WrongKeyOfTheMoment(Idempotency):
    """Makes the key unique by the time of the call."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under a key of this moment."""
        with store.transaction() as tx:
            own = f"{key}-{tx.now}"
        return super().accept(
            store, key=own, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


class WrongSilentDuplicate:
    """Returns the job that exists, and leaves no audit row."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Write a row for a new job only."""
        with store.transaction() as tx:
            found = tx.job_by_key(key) if key is not None else None
            if found:
                return Accepted(job=found, existed=True)
            job = tx.add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
            tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
            return Accepted(job=job, existed=False)


class WrongOneKeyForAll(Idempotency):
    """Cuts the key: two keys become one."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under the beginning of its key."""
        return super().accept(
            store, key=key and key[:1], payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )
