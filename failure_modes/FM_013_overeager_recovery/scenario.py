"""FM_013 overeager recovery: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import AlsoBreaks, Bounds, Expected, FailureMode, Queue, Strategy
from system.policies import EventKind, Operation, Reason, Reconciled, Reconciliation, Retry, Status, Store

ENDED = (Status.DONE, Status.ABORTED)


class ReadsThenRecovers(Reconciliation):
    """Reads the open executions in one transaction, and ends them in another, without reading them again.

    The class misses a lease that was extended since then, and a holder that committed or lost the job.
    """

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read the open executions; then end those whose lease, as it was read, has expired."""
        found = [execution for execution in store.executions() if execution.status not in ENDED]
        if not found:
            return Reconciled(finished=0, aborted=0)
        with store.transaction() as tx:
            expired = [execution for execution in found if execution.lease_expires_at <= tx.now]
            committed = [execution for execution in expired if execution.status is Status.COMMITTED]
            stale = [execution for execution in expired if execution.status is not Status.COMMITTED]
            for execution in committed:
                tx.move(
                    tx.execution(execution.id),
                    to=Status.DONE,
                    event=EventKind.FINISHED,
                    operation=Operation.RECONCILE,
                    actor=actor,
                    reason=Reason.ABANDONED,
                )
            for execution in stale:
                now = tx.execution(execution.id)
                tx.move(
                    now,
                    to=Status.ABORTED,
                    event=EventKind.EXPIRED,
                    operation=Operation.RECONCILE,
                    actor=actor,
                )
                retry.bury_if_spent(tx, execution, operation=Operation.RECONCILE, actor=actor)
        return Reconciled(finished=len(committed), aborted=len(stale))


def read_then_recovered(queue: Queue) -> Queue:
    """The queue whose recovery does not read again before it acts. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, reconcile=ReadsThenRecovers()))


EXPECTED = Expected(
    shortest=6, states=1_271, must_reach=("a lease expired", "recovery aborted a stale execution")
)

FAILURE_MODE = FailureMode(
    title="overeager recovery",
    breaks="INV_003",
    trigger="a worker ends its execution between the two transactions of recovery",
    policy="reconcile",
    fault=read_then_recovered,
    strategy=Strategy(
        weights=(("Step", 2), ("Enqueue", 1), ("Tick", 2), ("Reconcile", 2)), steps=15, helpers_pause=True
    ),
    bounds=Bounds(jobs=1, ticks=2, crashes=1, reconciles=2),
    expected=EXPECTED,
    also_breaks=(AlsoBreaks(breaks="INV_004", tolerates=("INV_002", "INV_003"), expected=EXPECTED),),
)
