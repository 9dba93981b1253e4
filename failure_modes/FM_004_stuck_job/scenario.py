"""FM_004 stuck job: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Strategy
from system.policies import Lease, LeasePolicies, Leasing, Store

FOR_EVER_MS = 100 * 365 * 24 * 3600 * 1000
"""A hundred years."""


class NoExpiry(Leasing):
    """Leases a job for ever: no lease runs out, also if the worker dies."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease as usual, for a hundred years. So reconciliation finds no expired lease, either."""
        del lease_ms
        return super().lease(store, policies, worker, FOR_EVER_MS)


def without_expiry(queue: Queue) -> Queue:
    """The queue in which no lease runs out. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=NoExpiry()))


FAILURE_MODE = FailureMode(
    title="stuck job",
    breaks="INV_004",
    trigger="a worker dies while it holds a job",
    policy="lease",
    fault=without_expiry,
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Crash", 1), ("Reconcile", 1)), steps=15),
    bounds=Bounds(jobs=1, crashes=2, reconciles=1),
    expected=Expected(
        shortest=3, states=18, must_reach=("a lease expired", "recovery aborted a stale execution")
    ),
)
