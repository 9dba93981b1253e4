"""FM_009 lease race: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker.campaigns.matrix import without
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode, Then
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from model.state import Settings
from system.audit import EventKind, Operation
from system.policies import Leasing
from system.policies.lease import Lease, LeasePolicies
from system.queue import Queue
from system.store import HELD, Status, Store


class ReadsThenLeases(Leasing):
    """Which job to take is read in one transaction; it is taken in another, without looking again.

    After giving a job up it leaves the next one to the next call.
    """

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Read the candidate; then lease it."""
        with store.transaction() as tx:
            job = tx.next_available(retries=True)
            last = tx.last_execution(job.id) if job else None
        if job is None:
            return None
        with store.transaction() as tx:
            if last and last.status in HELD:
                tx.move(
                    last, to=Status.ABORTED, event=EventKind.EXPIRED, operation=Operation.LEASE, actor=worker
                )
                if policies.retry.bury_if_spent(tx, last, operation=Operation.LEASE, actor=worker):
                    return None
            execution = tx.add_execution(
                job_id=job.id,
                attempt=last.attempt + 1 if last else 1,
                worker=worker,
                lease_expires_at=tx.now + lease_ms,
                operation=Operation.LEASE,
            )
            tx.set_available(job.id, tx.now + lease_ms)
            return Lease(job=job, execution=execution)


def read_then_leased(queue: Queue) -> Queue:
    """The queue that reads and leases in two transactions, and all else as it was."""
    return evolve(queue, policies=evolve(queue.policies, lease=ReadsThenLeases()))


def charging_without_a_key(queue: Queue) -> Queue:
    """The right queue, whose handlers call a gateway that would not know a request again."""
    return without(("external",), queue)


def read_then_leased_and_charged(queue: Queue) -> Queue:
    """The same, but that it reads and leases in two transactions."""
    return read_then_leased(charging_without_a_key(queue))


FAILURE_MODE = FailureMode(
    title="lease race",
    breaks="INV_003",
    then=(
        Then(
            breaks="INV_001",
            past=("INV_003",),
            shortest=9,
            strategy=Strategy(
                weights=(("Step", 4), ("Enqueue", 1)),
                scope=Scope(settings=Settings(external=True), constraints=False),
                steps=15,
            ),
            bounds=Bounds(jobs=1),
            must_reach=(),
            states=7,
            swap=read_then_leased_and_charged,
            base=charging_without_a_key,
            beside="external keys switched off",
        ),
    ),
    trigger="two workers look for a job at the same time",
    policy="lease",
    swap=read_then_leased,
    strategy=Strategy(
        weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), scope=Scope(constraints=False), steps=15
    ),
    bounds=Bounds(jobs=1, ticks=1, crashes=1),
    must_reach=("a lease expired",),
    shortest=5,
    states=71,
)
