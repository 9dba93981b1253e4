"""FM_010 poison job: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.bounds import Bounds
from failure_modes.checker.catalogue import FailureMode
from failure_modes.checker.strategy import Strategy
from system.policies import Leasing, Policies
from system.policies.lease import Lease
from system.queue import Queue
from system.store import HELD, Status, Store


class CountsFailures(Leasing):
    """An attempt is spent when a handler fails; a worker that died has not failed.

    Whether the last lease ran out is seen from when the job became available again: good enough here.
    """

    def lease(self, store: Store, policies: Policies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the job; after a lease that ran out the attempt has the number it had."""
        del policies
        with store.transaction() as tx:
            job = tx.next_available()
            if job is None:
                return None
            attempt = 1
            last = tx.last_execution(job.id)
            if last:
                ran_out = job.available_at == last.lease_expires_at
                attempt = last.attempt if ran_out else last.attempt + 1
                if last.status in HELD:
                    tx.move(last, to=Status.ABORTED, event="expired", operation="lease", actor=worker)
            execution = tx.add_execution(
                job_id=job.id,
                attempt=attempt,
                worker=worker,
                lease_expires_at=tx.now + lease_ms,
                operation="lease",
            )
            tx.set_available(job.id, tx.now + lease_ms)
            return Lease(job=job, execution=execution)


def counting_failures(queue: Queue) -> Queue:
    """The queue that counts failures and no deaths, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, lease=CountsFailures()))


FAILURE_MODE = FailureMode(
    title="poison job",
    breaks="INV_004",
    trigger="a job kills the worker that runs it, each time",
    policy="lease",
    swap=counting_failures,
    strategy=Strategy(
        weights=(("Step", 5), ("Enqueue", 1), ("Tick", 1), ("Reconcile", 1)), jobs=1, poisons=1, steps=6
    ),
    bounds=Bounds(jobs=1, poisons=1, ticks=1, reconciles=1),
    must_reach=("a poison job killed its worker", "a job was buried"),
    shortest=1,
    states=1_784,
)
