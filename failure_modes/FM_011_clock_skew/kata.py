"""FM_011 clock skew: the kata."""

from typing import Any

from attrs import evolve

from failure_modes.checker import Bounds, Clock, Kata, Scope
from system.policies import (
    HELD,
    EventKind,
    Lease,
    LeasePolicies,
    Operation,
    Status,
    Store,
    Transaction,
)

AHEAD_MS = {"B": 30_000}
"""How far each worker's clock runs ahead of the store's."""


class FastClock:
    """A clock that runs ahead of another."""

    def __init__(self, clock: Clock, ahead_ms: int) -> None:
        self._clock = clock
        self._ahead_ms = ahead_ms

    def now(self) -> int:
        """The time of this clock, in milliseconds."""
        return self._clock.now() + self._ahead_ms


def by_the_clock_of(worker: str, tx: Transaction) -> Transaction:
    """The same transaction, at the time of the worker's clock."""
    ahead_ms = AHEAD_MS.get(worker, 0)
    transaction: Any = tx
    clock = getattr(transaction, "_clock", None)  # only some transactions have a clock
    if clock is None:
        changed: Transaction = evolve(transaction, now=tx.now + ahead_ms)
    else:
        changed = evolve(transaction, clock=FastClock(clock, ahead_ms))
    return changed


class LeasesAtOwnTime:
    """Leases by the worker's clock, as the fault does, without the right policy."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease at the worker's own time."""
        while True:
            with store.transaction() as stores:
                tx = by_the_clock_of(worker, stores)
                job = tx.next_available(retries=True)
                if job is None:
                    return None
                last = tx.last_execution(job.id)
                if last and last.status in HELD:
                    tx.move(
                        last,
                        to=Status.ABORTED,
                        event=EventKind.EXPIRED,
                        operation=Operation.LEASE,
                        actor=worker,
                    )
                    if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                        continue
                execution = tx.add_execution(
                    job_id=job.id,
                    attempt=last.attempt + 1 if last else 1,
                    worker=worker,
                    lease_expires_at=tx.now + lease_ms,
                    operation=Operation.LEASE,
                )
                tx.set_available(job.id, tx.now + lease_ms)
                return Lease(job=job, execution=execution)


KATA = Kata(
    order=100,
    story="The clock of worker B ran half a minute fast. Each lease is half a minute long. So whatever "
    "worker A had just begun looked abandoned to B, which took it over. On that day each parcel of Anna's "
    "shop was sent twice. (`AHEAD_MS` is how wrong the clocks are. You cannot mend the clocks.)",
    in_public="in January 2018 jobs of a cluster with Quantum, a scheduler for Elixir, ran twice; the "
    "clock of one of its three nodes was ten minutes off.",
    address="https://github.com/quantum-elixir/quantum-core/issues/293",
    question="Two workers ask if the same lease has ended. Which clock answers?",
    place="Look at the transaction that reads the job and writes the lease: whose time does it tell?",
    requirement="Whether a job is due, and when its lease ends, is judged by the time of the transaction "
    "(`tx.now`), and by no clock of a worker.",
    also=((Scope(), Bounds(jobs=1, ticks=1, heartbeats=1)),),
    facts=("AHEAD_MS",),
    policy=LeasesAtOwnTime,
)
