"""FM_010 poison job: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import AlsoBreaks, Bounds, Expected, FailureMode, Queue, Scope, Settings, Strategy
from system.policies import HELD, EventKind, Job, LeasePolicies, Leasing, Operation, Status, Transaction


class CountsFailures(Leasing):
    """Counts an attempt only if its handler failed; an attempt whose worker died is not counted.

    If the job became available at the end of its last lease, the lease ran out. That is exact enough here.
    """

    def _attempt(self, tx: Transaction, policies: LeasePolicies, job: Job, worker: str) -> int | None:
        """The number of the next attempt; after a lease that ran out, the same number again."""
        last = tx.last_execution(job.id)
        if last is None or job.available_at != last.lease_expires_at:
            return super()._attempt(tx, policies, job, worker)
        if last.status in HELD:
            tx.move(last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker)
        return last.attempt


def counting_failures(queue: Queue) -> Queue:
    """The queue that counts failures of handlers and no deaths of workers. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=CountsFailures()))


FAILURE_MODE = FailureMode(
    title="poison job",
    breaks="INV_004",
    trigger="a job kills the worker that runs it, each time",
    policy="lease",
    fault=counting_failures,
    strategy=Strategy(
        weights=(("Step", 5), ("Enqueue", 1), ("Tick", 1), ("Reconcile", 1)), jobs=1, poisons=1, steps=6
    ),
    bounds=Bounds(jobs=1, poisons=1, ticks=1, reconciles=1),
    expected=Expected(
        shortest=1, states=1_728, must_reach=("a poison job killed its worker", "a job was buried")
    ),
    also_breaks=(
        AlsoBreaks(
            breaks="INV_006",
            scope=Scope(settings=Settings(retries_max=1)),
            expected=Expected(
                shortest=1,
                states=1_468,
                must_reach=("a poison job killed its worker", "a retry was passed over"),
            ),
        ),
    ),
)
