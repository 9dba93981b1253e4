"""FM_005 lost job: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Strategy
from system.policies import Job, Lease, Leasing, Transaction


class AcknowledgesOnReceipt(Leasing):
    """Acknowledges a job when it is leased: the job is closed before its work is done."""

    def _hand_out(self, tx: Transaction, job: Job, attempt: int, *, worker: str, lease_ms: int) -> Lease:
        """Lease the job and close it in one transaction. It is not available after the end of the lease."""
        lease = super()._hand_out(tx, job, attempt, worker=worker, lease_ms=lease_ms)
        tx.set_available(job.id, None)
        return lease


def acknowledged_first(queue: Queue) -> Queue:
    """The queue that closes a job when it leases it. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=AcknowledgesOnReceipt()))


FAILURE_MODE = FailureMode(
    title="lost job",
    breaks="INV_004",
    trigger="a worker dies between the acknowledgement and the end of the work",
    policy="lease",
    fault=acknowledged_first,
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Crash", 1), ("Reconcile", 1)), steps=15),
    bounds=Bounds(jobs=1, crashes=2, reconciles=1),
    expected=Expected(shortest=3, states=18, must_reach=("a lease expired", "a retry succeeded")),
)
