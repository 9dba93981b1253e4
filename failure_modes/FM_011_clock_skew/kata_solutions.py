"""Right and wrong versions of the policy of FM_011, for the tests of its kata; no learner sees them."""

from typing import Any, cast

from attrs import evolve

from failure_modes.checker import Clock
from system.policies import HELD, EventKind, Lease, LeasePolicies, Operation, Status, Store

AHEAD_MS = {"B": 30_000}


class _AtOwnTime:
    """A store whose transactions have the time of a worker's clock."""

    def __init__(self, store: Store, ahead_ms: int) -> None:
        self._store = store
        self._ahead_ms = ahead_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def transaction(self) -> Any:
        """Begin a transaction at the worker's time."""
        return _Ahead(self._store.transaction(), self._ahead_ms)


class _Ahead:
    """A transaction at another time."""

    def __init__(self, inner: Any, ahead_ms: int) -> None:
        self._inner, self._ahead_ms = inner, ahead_ms

    def __enter__(self) -> Any:
        tx: Any = self._inner.__enter__()
        clock = getattr(tx, "_clock", None)  # only some transactions have a clock
        if clock is None:
            return evolve(tx, now=tx.now + self._ahead_ms)
        return evolve(tx, clock=_Fast(clock, self._ahead_ms))

    def __exit__(self, *error: object) -> Any:
        return self._inner.__exit__(*error)


class _Fast:
    """A clock that runs ahead."""

    def __init__(self, clock: Clock, ahead_ms: int) -> None:
        self._clock, self._ahead_ms = clock, ahead_ms

    def now(self) -> int:
        """The time, in milliseconds."""
        return self._clock.now() + self._ahead_ms


def _own(store: Store, worker: str) -> Store:
    return cast(Store, _AtOwnTime(store, AHEAD_MS.get(worker, 0)))


def _lease(store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
    """Find, end and lease, at the time of the store that is given."""
    with store.transaction() as tx:
        job = tx.next_available(retries=True)
        if job is None:
            return None
        last = tx.last_execution(job.id)
        if last and last.status in HELD:
            tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
            if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                return None
        until = tx.now + lease_ms
        execution = tx.add_execution(
            job_id=job.id,
            attempt=last.attempt + 1 if last else 1,
            worker=worker,
            lease_expires_at=until,
            operation=Operation.LEASE,
        )
        tx.set_available(job.id, until)
        return Lease(job=job, execution=execution)


class Reference:
    """Leases at the time of the store."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease by the clock of the store."""
        return _lease(store, policies, worker, lease_ms)


class Another:
    """Looks by the worker's own clock if there may be a job, and judges by the store's clock."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Look; then lease."""
        with _own(store, worker).transaction() as tx:
            if tx.next_available(retries=True) is None:
                return None
        return _lease(store, policies, worker, lease_ms)


class WrongShorter:
    """Takes the error of the clock off the lease."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for less."""
        return _lease(_own(store, worker), policies, worker, lease_ms - AHEAD_MS.get(worker, 0))


class WrongLonger:
    """Makes each lease longer, by the error of the clock."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease for more."""
        return _lease(_own(store, worker), policies, worker, lease_ms + max(AHEAD_MS.values()))


class WrongSecondLook:
    """Asks the store's clock first, and the worker's own if there is no job."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease by one clock or the other."""
        found = _lease(store, policies, worker, lease_ms)
        return found or _lease(_own(store, worker), policies, worker, lease_ms)
