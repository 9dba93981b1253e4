"""The clock is set back: the model and the queue do the same.

No other action finds the breakages here: while time only passes, a time that was written is never later than
the clock, and a full lease from now never ends before the last one.
"""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_CLOCK
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.worlds import world_of
from model.actions import PRODUCER, ClockBack, Enqueue, Fail, Heartbeat, Step, Tick
from model.load import Load
from model.state import Settings, initial
from model.step import step
from system.policies.lease import Lease, LeasePolicies, Leasing
from system.queue import Queue
from system.store import Store
from tests.checker.searching import first_finding

A, B = Step(worker="A"), Step(worker="B")
K1 = Enqueue(key="k1")
BACK = ClockBack(seconds=30)
LIMITS = Settings(retries_max=1, failures_max=2)


class NewJobsWait(Leasing):
    """A new job waits for the time at which it was enqueued."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the next job, unless the clock is before its due time."""
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=True)
                if job is None or (job.available_at or 0) > tx.now:
                    return None
                attempt = self._attempt(tx, policies, job, worker)
                if attempt is not None:
                    return self._leased(tx, policies, job, attempt, worker=worker, lease_ms=lease_ms)


def new_jobs_wait(queue: Queue) -> Queue:
    """The queue in which a new job is due at a time, as a retry is."""
    return evolve(queue, policies=evolve(queue.policies, lease=NewJobsWait()))


def _found(fault: Fault, *, back: bool, examples: int, scope: Scope | None = None) -> Finding | None:
    return first_finding(
        scope or Scope(),
        UNRESTRICTED.weighted("ClockBack", 1) if back else UNRESTRICTED,
        fault,
        seed=5,
        examples=examples,
    )


def test_a_new_job_is_due_at_once() -> None:
    """The queue's own defence: it does not ask when a new job was enqueued."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, BACK, A):
            record = lockstep.apply(action)
        assert record.events[0].at == -30_000
        lockstep.finish()


def test_a_lease_lengthens_and_a_heartbeat_makes_it_a_full_one() -> None:
    """The time that was added by the clock is gone after a heartbeat: the lease ends 30 s from now."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, BACK):
            lockstep.apply(action)
        (held,) = lockstep.durable.executions
        assert held.lease_expires_at - lockstep.now == 60_000
        lockstep.apply(Heartbeat(worker="A"))
        (held,) = lockstep.durable.executions
        assert held.lease_expires_at - lockstep.now == 30_000
        lockstep.finish()


def test_a_worker_keeps_its_job_while_the_clock_goes_back_and_forth() -> None:
    """Another worker gets the job when the clock has passed the end of the lease, and not before."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, BACK, Tick(seconds=30)):
            lockstep.apply(action)
        assert lockstep.apply(B).events == ()
        lockstep.apply(Tick(seconds=30))
        assert [event.event for event in lockstep.apply(B).events] == ["expired", "leased"]
        lockstep.finish()


def test_what_the_limits_count_did_not_happen_later_than_now() -> None:
    """A failure whose time lies in the future counts as one of now."""
    load = Load(retries=(10, 40), failures=1, failed_at=40).set_back(20)
    assert load == Load(retries=(10, 20), later=(10, 40), failures=1, failed_at=20)
    scope = Scope(settings=evolve(LIMITS, failures_max=1))
    with Lockstep(scope) as lockstep:
        for action in (K1, A, A, Fail(worker="A"), BACK):
            lockstep.apply(action)
        assert lockstep.durable.breaker.open_until_at == lockstep.now + 60_000
        assert lockstep.apply(B).events == ()
        lockstep.finish()


def test_a_retry_waits_for_the_window_that_was_written() -> None:
    """The window of the budget lasts longer, as a lease does: the retry is passed over, and rightly so."""
    scope = Scope(settings=Settings(retries_max=1, window_ms=30_000))
    with Lockstep(scope) as lockstep:
        for action in (K1, A, Enqueue(key="k2"), Tick(seconds=30), B, ClockBack(seconds=1), Tick(seconds=30)):
            lockstep.apply(action)
        assert lockstep.ledger.load.retries == (29_000,)
        assert lockstep.ledger.load.written == (30_000,)
        lockstep.apply(Tick(seconds=0.999))
        lockstep.finish()


def test_the_clock_is_not_set_back_inside_a_transaction() -> None:
    """A transaction reads its time once: it is as if the clock went back before or after."""
    with Lockstep(Scope(granularity=Granularity.STATEMENT)) as lockstep:
        assert lockstep.possible(BACK)
        lockstep.apply(A)
        lockstep.apply(A)
        assert lockstep.system.place("A").in_transaction
        assert not lockstep.possible(BACK)


def test_at_a_server_an_operation_that_changes_nothing_reads_a_time_before_the_start() -> None:
    """Rows that nothing has changed yet were not changed later than now, wherever the clock is set."""
    scope = Scope(granularity=Granularity.STATEMENT, store=StoreKind.POSTGRESQL)
    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        lockstep.apply(BACK)
        lockstep.finish()
        assert lockstep.now == -30_000


def test_a_call_of_the_gateway_waits_for_no_lock_of_the_database() -> None:
    """A lock that the process got before the clock was set back says nothing about its call."""
    settings = Settings(external=True)
    scope = Scope(granularity=Granularity.STATEMENT, store=StoreKind.POSTGRESQL, settings=settings)
    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        lockstep.apply(K1)
        while lockstep.possible(Step(worker=PRODUCER)):
            lockstep.apply(Step(worker=PRODUCER))
        process = lockstep.world.processes["A"]
        while process.at is not PausePoint.HANDLER:
            lockstep.apply(A)
        assert process.connection is not None
        process.connection.locked_at = lockstep.now + 1
        lockstep.apply(A)
        assert lockstep.durable.charges == ("k1",)
        lockstep.finish()


def test_the_oldest_job_is_the_one_with_the_earliest_time() -> None:
    """After the clock was set back, a later job has an earlier time than the first one: `status` says it."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, BACK, Enqueue(key="k2")):
            lockstep.apply(action)
        counts = lockstep.system.counts()
        assert (counts.oldest_due_at, counts.enqueued_in_future) == (-30_000, 1)
        lockstep.finish()


def test_the_last_change_is_not_later_than_the_clock() -> None:
    """So an operation may still read the time of the clock after it was set back."""
    state, _ = step(initial(settings=Settings(), workers=("A",)), Tick(seconds=60))
    state, _ = step(state, K1)
    back, _ = step(state, BACK)
    assert (state.changed_at, back.changed_at, back.now) == (60_000, 30_000, 30_000)
    assert step(back, A)[1].rejected is None


@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("settings", [Settings(), LIMITS])
def test_the_guarded_system_survives_a_clock_that_is_set_back(
    granularity: Granularity, settings: Settings
) -> None:
    """A search that sets the clock back finds nothing in the guarded system."""
    search = Search(
        scope=Scope(granularity=granularity, settings=settings, tick_seconds=(30, 29.999, 1)),
        strategy=UNRESTRICTED.weighted("ClockBack", 1),
        fault=guarded,
        target=None,
        seed=5,
        examples=30,
    )
    result = run(search, shrinking=False)
    assert result.finding is None
    assert result.statistics.sometimes[OF_CLOCK]


def test_a_new_job_that_waits_is_seen_only_when_the_clock_is_set_back() -> None:
    """The search without it misses the breakage in as many examples."""
    assert _found(new_jobs_wait, back=False, examples=60) is None
    assert _found(new_jobs_wait, back=True, examples=60) is not None


def test_a_proof_with_a_clock_that_is_set_back_is_complete() -> None:
    """Each reachable state of this scope holds; without the bound the breakage is in none."""
    bounds = Bounds(jobs=1, ticks=1, heartbeats=1, clock_backs=1)
    result = prove(Proof(scope=Scope(), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 319)
    without = prove(Proof(scope=Scope(), bounds=evolve(bounds, clock_backs=0), fault=new_jobs_wait))
    assert (without.complete, without.finding) == (True, None)
    broken = prove(Proof(scope=Scope(), bounds=bounds, fault=new_jobs_wait))
    assert broken.actions == (K1, BACK)
