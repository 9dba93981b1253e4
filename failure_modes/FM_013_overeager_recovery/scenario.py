"""FM_013 overeager recovery: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.bounds import Bounds
from failure_modes.checker.catalogue import FailureMode
from failure_modes.checker.strategy import Strategy
from system.policies import Reconciliation, Retry
from system.policies.reconcile import Reconciled
from system.queue import Queue
from system.store import Status, Store


class ReadsThenRecovers(Reconciliation):
    """What is to be brought to an end is read in one transaction; that is done in another, come what may."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Read what has expired; then act on what was read."""
        with store.transaction() as tx:
            found = tx.expired(self.batch)
        if not found:
            return Reconciled(finished=0, aborted=0)
        with store.transaction() as tx:
            committed = [execution for execution in found if execution.status is Status.COMMITTED]
            stale = [execution for execution in found if execution.status is not Status.COMMITTED]
            for execution in committed:
                tx.move(
                    execution,
                    to=Status.DONE,
                    event="finished",
                    operation="reconcile",
                    actor=actor,
                    reason="abandoned",
                )
            for execution in stale:
                tx.move(execution, to=Status.ABORTED, event="expired", operation="reconcile", actor=actor)
                retry.bury_if_spent(tx, execution, operation="reconcile", actor=actor)
        return Reconciled(finished=len(committed), aborted=len(stale))


def read_then_recovered(queue: Queue) -> Queue:
    """The queue whose recovery does not look again before it acts, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, reconcile=ReadsThenRecovers()))


FAILURE_MODE = FailureMode(
    title="overeager recovery",
    breaks="INV_003",
    trigger="a worker moves on between the recovery's look and its act",
    policy="reconcile",
    swap=read_then_recovered,
    strategy=Strategy(
        weights=(("Step", 2), ("Enqueue", 1), ("Tick", 2), ("Reconcile", 2)), steps=15, helpers_pause=True
    ),
    bounds=Bounds(jobs=1, ticks=2, crashes=1, reconciles=2),
    must_reach=("a lease expired", "recovery aborted a stale execution"),
    shortest=6,
    states=1_271,
)
