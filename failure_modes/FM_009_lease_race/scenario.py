"""FM_009 lease race: the fault, and the strategy that finds it."""

from attrs import evolve

from failure_modes.checker import (
    AlsoBreaks,
    Bounds,
    Expected,
    FailureMode,
    Queue,
    Scope,
    Settings,
    Strategy,
    without,
)
from system.policies import HELD, EventKind, Lease, LeasePolicies, Leasing, Operation, Status, Store


class ReadsThenLeases(Leasing):
    """Reads the next job in one transaction, and leases it in another, without reading it again.

    If it buries a job, it returns without a job; the next call looks for the next one.
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
    """The queue that reads and leases in two transactions. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=ReadsThenLeases()))


def charging_without_a_key(queue: Queue) -> Queue:
    """The right queue, except that the gateway cannot recognise a repeated request."""
    return without(("external",), queue)


def read_then_leased_and_charged(queue: Queue) -> Queue:
    """The same queue, which also reads and leases in two transactions."""
    return read_then_leased(charging_without_a_key(queue))


FAILURE_MODE = FailureMode(
    title="lease race",
    breaks="INV_003",
    trigger="two workers look for a job at the same time",
    policy="lease",
    fault=read_then_leased,
    scope=Scope(constraints=False),
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), steps=15),
    bounds=Bounds(jobs=1, ticks=1, crashes=1),
    expected=Expected(shortest=5, states=71, must_reach=("a lease expired",)),
    also_breaks=(
        AlsoBreaks(
            breaks="INV_001",
            tolerates=("INV_003", "INV_007"),
            fault=read_then_leased_and_charged,
            scope=Scope(settings=Settings(external=True), constraints=False),
            strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1)), steps=15),
            bounds=Bounds(jobs=1),
            expected=Expected(shortest=9, states=7, must_reach=()),
            control=charging_without_a_key,
            control_note="external keys switched off",
        ),
    ),
)
