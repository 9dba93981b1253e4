"""A handler never returns: the model and the queue go on without it, until the worker's own limit ends it.

A process that died is started again under its name. A process that hangs stays, and no other action of a
schedule keeps a worker away from the queue to the end of a run.
"""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED, Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_HUNG
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.worlds import world_of
from model.actions import Action, Crash, Enqueue, Fail, Hang, Heartbeat, Release, Step, Tick, TimeOut
from model.events import EventKind, Failure, Reason
from model.state import Phase, Settings
from model.step import step
from system.policies.lease import Lease, LeasePolicies, Leasing
from system.policies.reconcile import Reconciliation
from system.queue import Queue
from system.store import HELD, Execution, Status, Store, Transaction
from tests.checker.oracle.test_breakages import queues
from tests.checker.searching import first_finding

A, B = Step(worker="A"), Step(worker="B")
K1 = Enqueue(key="k1")
HANG = Hang(worker="A")
TIME_OUT = TimeOut(worker="A")
BREAKER = Scope(settings=Settings(failures_max=1))
HANGS = UNRESTRICTED.weighted("Hang", 2)
TIMES_OUT = UNRESTRICTED.weighted("TimeOut", 2)


class OwnJobsOnly(Leasing):
    """A worker looks after its own jobs: only a lease of the same name takes one whose lease ran out."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease the next job, unless it belongs to another worker."""
        while True:
            with store.transaction() as tx:
                job = tx.next_available(retries=True)
                last = None if job is None else tx.last_execution(job.id)
                of_another = last is not None and last.status in HELD and last.worker != worker
                if job is None or of_another:
                    return None
                attempt = self._attempt(tx, policies, job, worker)
                if attempt is not None:
                    return self._leased(tx, policies, job, attempt, worker=worker, lease_ms=lease_ms)


class FinishesOnly(Reconciliation):
    """Only what was committed is ended: the workers do the rest."""

    def _expired(self, tx: Transaction, actor: str) -> tuple[Execution, ...]:
        """Leave the others out."""
        return tuple([one for one in super()._expired(tx, actor) if one.status is Status.COMMITTED])


def own_jobs_only(queue: Queue) -> Queue:
    """The queue in which each worker recovers what it left itself."""
    policies = evolve(queue.policies, lease=OwnJobsOnly(), reconcile=FinishesOnly())
    return evolve(queue, policies=policies)


class ForgivesTimeOuts(Queue):
    """The circuit breaker does not count a handler that ran for too long."""

    def fail(self, held: Execution, *, detail: str, by_handler: bool = True) -> bool:
        """Take it for a release."""
        return super().fail(held, detail=detail, by_handler=by_handler and detail != Failure.TIMED_OUT)


def _found(fault: Fault, strategy: Strategy, *, scope: Scope = BREAKER, examples: int = 60) -> Finding | None:
    return first_finding(scope, strategy, fault, seed=5, examples=examples)


def _breaks(fault: Fault, strategy: Strategy) -> Finding | None:
    """What breaks INV_004, whatever the model says: the breakage differs from it at other places, too."""
    target = Target("INV_004")
    search = Search(scope=Scope(), strategy=strategy, fault=fault, target=target, seed=5, examples=80)
    return run(search, shrinking=False).finding


def test_a_job_leaves_a_handler_that_never_returns() -> None:
    """When its lease has run out, another worker does the job, and the run does not wait for the first."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, HANG):
            lockstep.apply(action)
        moves: tuple[Action, ...] = (A, Fail(worker="A"), Heartbeat(worker="A"), HANG)
        for impossible in moves:
            assert not lockstep.possible(impossible)
            assert lockstep.reference.state is not None
            assert step(lockstep.reference.state, impossible)[1].rejected is not None
        lockstep.finish()
        assert lockstep.world.processes["A"].at is PausePoint.HUNG
        assert [(one.worker, one.status) for one in lockstep.durable.executions] == [
            ("A", "ABORTED"),
            ("B", "DONE"),
        ]
        assert lockstep.ledger.sometimes[OF_HUNG[1]] == 1


def test_where_every_handler_hangs_one_worker_is_started_again() -> None:
    """Otherwise no worker would be left, and no queue could go on."""
    with Lockstep(Scope(workers=1)) as lockstep:
        for action in (K1, A, A, HANG):
            lockstep.apply(action)
        lockstep.finish()
        assert lockstep.ledger.records[4].action == Crash(worker="A")
        assert [one.status for one in lockstep.durable.executions] == ["ABORTED", "DONE"]


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("store", StoreKind)
def test_a_time_out_is_a_failure_of_the_handler(store: StoreKind, external: bool) -> None:
    """It opens the breaker as any other one does, in the handler and in one that hangs."""
    scope = Scope(store=store, settings=Settings(failures_max=1, external=external))
    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        before: tuple[Action, ...] = (K1, A, A, *[A] * external, HANG)
        for action in before:
            lockstep.apply(action)
        failed, opened = lockstep.apply(TIME_OUT).events
        assert (failed.event, failed.detail) == (EventKind.FAILED, Failure.TIMED_OUT)
        assert opened.event == EventKind.OPENED
        lockstep.finish()
        assert lockstep.ledger.sometimes[OF_HUNG[2]] == 1


@pytest.mark.parametrize("end", [TIME_OUT, Release(worker="A")])
def test_a_handler_that_outlived_its_lease_holds_nothing(end: TimeOut | Release) -> None:
    """Whatever ends it, the job is with another worker."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, HANG, Tick(seconds=30), B):
            lockstep.apply(action)
        (event,) = lockstep.apply(end).events
        assert (event.event, event.reason, event.execution) == (EventKind.REFUSED, Reason.LEASE_LOST, 1)
        assert lockstep.reference.state is not None
        assert lockstep.reference.state.workers[0].phase is Phase.IDLE
        lockstep.finish()


@pytest.mark.slow
@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("settings", [Settings(fused=True), Settings(failures_max=2, external=True)])
def test_the_guarded_system_survives_handlers_that_hang(granularity: Granularity, settings: Settings) -> None:
    """A search in which handlers hang and are timed out finds nothing in the guarded system."""
    search = Search(
        scope=Scope(granularity=granularity, settings=settings),
        strategy=HANGS.weighted("TimeOut", 1),
        fault=guarded,
        target=None,
        seed=5,
        examples=25,
    )
    result = run(search, shrinking=False)
    assert result.finding is None
    assert all(result.statistics.sometimes[name] for name in OF_HUNG)


def test_a_queue_whose_workers_recover_their_own_jobs_is_seen_only_with_hung_handlers() -> None:
    """A crashed worker comes back under its name, and recovers its job; a hung one does not."""
    assert _breaks(own_jobs_only, UNRESTRICTED) is None
    found = _breaks(own_jobs_only, HANGS)
    assert found is not None
    assert found.invariant == "INV_004"


def test_a_time_out_that_does_not_count_is_seen_only_with_time_outs() -> None:
    """The search without time-outs misses the breakage in as many examples."""
    fault = queues(ForgivesTimeOuts)
    assert _found(fault, UNRESTRICTED) is None
    assert _found(fault, TIMES_OUT) is not None


@pytest.mark.parametrize(("workers", "states"), [(1, 60), (2, 102)])
def test_a_proof_with_hung_handlers_is_complete(workers: int, states: int) -> None:
    """Each reachable state of this scope holds; without the bounds the breakage is in none."""
    bounds = Bounds(jobs=1, ticks=1, hangs=1, time_outs=1)
    result = prove(Proof(scope=Scope(workers=workers), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, states)


def test_the_proof_has_the_shortest_trace_of_each_breakage() -> None:
    """Enqueue, lease, start, and the handler hangs; or it is timed out."""
    hung = Proof(
        scope=Scope(),
        bounds=Bounds(jobs=1, hangs=1),
        fault=own_jobs_only,
        target=Target("INV_004"),
    )
    assert prove(hung).actions == (K1, A, A, HANG)
    bounds = Bounds(jobs=1, failures=1, crashes=1, time_outs=1)
    forgiven = Proof(scope=BREAKER, bounds=bounds, fault=queues(ForgivesTimeOuts))
    assert prove(forgiven).actions == (K1, A, A, TIME_OUT)
    without = prove(evolve(forgiven, bounds=evolve(bounds, time_outs=0)))
    assert (without.complete, without.finding) == (True, None)
