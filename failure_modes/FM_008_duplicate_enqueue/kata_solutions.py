"""Right and wrong versions of the policy of FM_008, for the tests of its kata; no learner sees them."""

from system.policies import Accepted, EventKind, Operation, Store


def _accept(store: Store, key: str | None, *, payload_json: str, attempts_max: int, actor: str) -> Accepted:
    """Accept under the key, as the queue does."""
    with store.transaction() as tx:
        found = None if key is None else tx.job_by_key(key)
        if found:
            tx.record(event=EventKind.DUPLICATE, operation=Operation.ENQUEUE, actor=actor, job_id=found.id)
            return Accepted(job=found, existed=True, same_payload=found.payload_json == payload_json)
        job = tx.add_job(key=key, payload_json=payload_json, attempts_max=attempts_max)
        tx.record(event=EventKind.ENQUEUED, operation=Operation.ENQUEUE, actor=actor, job_id=job.id)
        return Accepted(job=job, existed=False)


class Reference:
    """Looks for the key, and keeps it."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under its key."""
        return _accept(store, key, payload_json=payload_json, attempts_max=attempts_max, actor=actor)


class Another:
    """Decides first, and writes one audit row for both cases."""

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


class WrongKeyOfTheMoment:
    """Makes the key unique by the time of the call."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under a key of this moment."""
        with store.transaction() as tx:
            own = f"{key}-{tx.now}"
        return _accept(store, own, payload_json=payload_json, attempts_max=attempts_max, actor=actor)


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


class WrongOneKeyForAll:
    """Cuts the key: two keys become one."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Accept the job under the beginning of its key."""
        short = key and key[:1]
        return _accept(store, short, payload_json=payload_json, attempts_max=attempts_max, actor=actor)
