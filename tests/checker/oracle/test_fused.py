"""The fused worker in lock-step: the same queue, with two transactions a job.

`fused` in the settings of a scope is all that differs. A breakage in the fused operation must be seen there.
"""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep, run_actions
from failure_modes.checker.oracle.visibility import VisibilityLog
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.traces.scope_json import scope_from_json, scope_to_json
from model.actions import PRODUCER, Action, Crash, Enqueue, LostReply, Step, Tick
from model.draft import Visibility
from model.state import Phase, Settings
from system.audit import EventKind, Operation
from system.policies import Lease
from system.queue import Queue
from system.store import Execution, Status, Transaction
from tests.checker.oracle.test_breakages import queues
from tests.checker.searching import first_finding

FUSED = Scope(settings=Settings(fused=True))
A, B = Step(worker="A"), Step(worker="B")
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
TRANSACTION, STATEMENT = Granularity.TRANSACTION, Granularity.STATEMENT


class ForgetsToFinish(Queue):
    """The fused operation takes the next job, and finishes nothing."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Take the next job."""
        del finishing
        return super().take_next(worker)


class FinishesApart(Queue):
    """The finish has a transaction of its own."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Finish, and then take the next job."""
        if finishing is not None:
            self.finish(finishing)
        return super().take_next(worker)


class FinishesAgain(Queue):
    """The worker is not told that its finish is durable when the operation buries a job and goes on."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Tell nobody."""
        return super().take_next(worker, finishing=finishing)


class FinishesLast(Queue):
    """The next job is taken first, and the finish comes in a transaction after it."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Take the next job, and then finish."""
        lease = super().take_next(worker)
        if finishing is not None:
            self.finish(finishing)
        return lease


class StartsApart(Queue):
    """The start has a transaction of its own."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Finish and lease in one transaction, and start in another."""
        with self.store.transaction() as tx:
            if finishing is not None:
                self._finish(tx, finishing)
        lease = self.lease(worker)
        if lease is None or not self.start(lease.execution):
            return None
        return evolve(lease, execution=evolve(lease.execution, status=Status.IN_PROGRESS))


class StartsInSilence(Queue):
    """The start in the fused operation has no audit row."""

    def _start(self, tx: Transaction, held: Execution) -> bool:
        tx._run("UPDATE executions SET status = 'IN_PROGRESS' WHERE id = ?", held.id)  # type: ignore[attr-defined] # noqa: SLF001
        return True


class AnswersWithTheFormer(Queue):
    """The fused operation answers with an execution that is only leased."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Take the next job, and answer with what it was before its start."""
        lease = super().take_next(worker, finishing=finishing)
        return lease and evolve(lease, execution=evolve(lease.execution, status=Status.LEASED))


class FinishesAnything(Queue):
    """The fused operation finishes an execution whatever its status is."""

    def _finish(self, tx: Transaction, held: Execution) -> bool:
        tx.move(
            evolve(held, status=Status.COMMITTED),
            to=Status.DONE,
            event=EventKind.FINISHED,
            operation=Operation.FINISH,
            actor=held.worker,
        )
        return True


BREAKAGES = (
    ForgetsToFinish,
    FinishesApart,
    FinishesLast,
    StartsApart,
    StartsInSilence,
    AnswersWithTheFormer,
    FinishesAnything,
)
BOUNDS = Bounds(jobs=2, ticks=1, crashes=1, reconciles=1)


def _proved(scope: Scope, fault: Fault) -> tuple[bool, Finding | None]:
    answer = prove(Proof(scope=scope, bounds=BOUNDS, fault=fault))
    return answer.complete, answer.finding


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda kind: kind.__name__)
def test_a_breakage_of_the_fused_operation_is_found(breakage: type[Queue]) -> None:
    """A proof finds it, with a trace of few actions."""
    _, finding = _proved(FUSED, queues(breakage))
    assert finding is not None


@pytest.mark.parametrize(
    ("granularity", "bounds", "counts"),
    [
        (TRANSACTION, Bounds(jobs=1), (5, 11)),
        (TRANSACTION, Bounds(jobs=2), (25, 55)),
        (TRANSACTION, Bounds(jobs=1, ticks=1, crashes=1, lost_replies=1), (163, 531)),
        (TRANSACTION, Bounds(jobs=2, ticks=1, crashes=1), (945, 2_325)),
        (STATEMENT, Bounds(jobs=1, crashes=1), (842, 2_139)),
    ],
)
def test_every_state_of_a_fused_scope_holds(
    granularity: Granularity, bounds: Bounds, counts: tuple[int, int]
) -> None:
    """The proof is complete, finds nothing, and has the number of states and transitions that it had.

    One job and one of two workers alone, by hand: no job, PENDING, IN_PROGRESS, COMMITTED and DONE, where
    the workers are alike: 5.
    """
    answer = prove(Proof(scope=evolve(FUSED, granularity=granularity), bounds=bounds, fault=guarded))
    assert (answer.complete, answer.finding) == (True, None)
    assert (answer.counts.states, answer.counts.transitions) == counts


def test_the_limits_hold_with_fused_workers() -> None:
    """A retry budget of one, a breaker that opens at the first failure, a crash, and a failure."""
    settings = evolve(FUSED.settings, retries_max=1, failures_max=1)
    bounds = Bounds(jobs=2, ticks=1, failures=1, crashes=1)
    answer = prove(Proof(scope=evolve(FUSED, settings=settings), bounds=bounds, fault=guarded))
    assert (answer.complete, answer.finding) == (True, None)


def test_a_crash_before_the_fused_transaction_is_for_reconciliation() -> None:
    """The effect is durable and its execution COMMITTED; the liveness run finishes it."""
    with Lockstep(FUSED) as lockstep:
        for action in (K1, K2, A, A, Crash(worker="A"), B):
            lockstep.apply(action)
        assert [one.status for one in lockstep.durable.executions] == ["COMMITTED", "IN_PROGRESS"]
        lockstep.finish()
        assert lockstep.durable.executions[0].status == "DONE"


def _until_handler(lockstep: Lockstep, actions: list[Action]) -> None:
    for action in actions:
        lockstep.apply(action)
        while lockstep.possible(Step(worker=PRODUCER)):
            lockstep.apply(Step(worker=PRODUCER))


def test_on_postgresql_time_may_pass_within_the_fused_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The finish reads one time and the lease a later one; without that knowledge the model differs."""
    scope = evolve(FUSED, store=StoreKind.POSTGRESQL, granularity=STATEMENT)
    assert _after_a_tick_within(scope) == (0, 30_000, 30_000)
    of_commit = VisibilityLog.of_commit

    def forgetful(*given: Any) -> Visibility:
        return evolve(of_commit(*given), finished_at=None)

    monkeypatch.setattr(VisibilityLog, "of_commit", forgetful)
    with pytest.raises(Exception, match="at of the audit row"):
        _after_a_tick_within(scope)


def _after_a_tick_within(scope: Scope) -> tuple[int, ...]:
    """The times in the audit rows of a fused transaction, if time passes once its finish is written."""
    with Lockstep(scope) as lockstep:
        _until_handler(lockstep, [K1, K2])
        while _rows(lockstep) < 5:  # enqueued twice, leased, started, committed
            lockstep.apply(A)
        while lockstep.apply(A).statement != "UPDATE executions":
            pass
        lockstep.apply(Tick(seconds=30))
        while _rows(lockstep) < 8:
            lockstep.apply(A)
        return tuple([event.at for event in lockstep.ledger.events][-3:])


def _rows(lockstep: Lockstep) -> int:
    return len(lockstep.ledger.events)


@pytest.mark.parametrize("granularity", Granularity)
def test_a_search_finds_nothing_with_fused_workers(granularity: Granularity) -> None:
    """Every action is allowed, three workers, limits and a gateway."""
    settings = evolve(FUSED.settings, retries_max=1, failures_max=2, external=True, attempts_max=2)
    scope = Scope(workers=3, granularity=granularity, settings=settings)
    strategy = UNRESTRICTED.weighted("LostReply", 1)
    assert first_finding(scope, strategy, guarded, seed=3, examples=60) is None


def test_a_worker_that_has_taken_its_next_job_remembers_nothing_of_the_one_before() -> None:
    """Its log begins with the answer of the fused operation, so a proof has one state for both ways."""
    scope = evolve(FUSED, workers=1)
    with Lockstep(scope, world=world_of(scope, guarded, restorable=True, records_answers=True)) as lockstep:
        for action in (K1, K2, A, A, A):
            lockstep.apply(action)
        log = lockstep.world.processes["A"].snapshot().log
        assert len(log) == 1
        state = lockstep.reference.state
        assert state is not None
        assert state.workers[0].phase is Phase.RUNNING


def test_a_trace_says_that_its_workers_are_fused() -> None:
    """A scope is the same after a trip through JSON, and its description has the words."""
    assert scope_from_json(scope_to_json(FUSED)) == FUSED
    assert scope_to_json(FUSED)["fused"] is True
    assert "fused" not in scope_to_json(Scope())
    assert FUSED.description == "2 workers, fused workers"


class ForgetsThatItFinished(Queue):
    """The fused operation does not say that its finish is durable while it looks for the next job."""

    def take_next(self, worker: str, *, finishing: Execution | None = None, **_: Any) -> Lease | None:
        """Take the next job."""
        return super().take_next(worker, finishing=finishing)


BURIED_ON_THE_WAY = (K1, K2, A, A, B, Tick(seconds=30), A, LostReply(worker="A"), A)
"""A finishes its job and buries that of B in one transaction. The reply to the next one is lost."""


def test_what_is_known_to_be_finished_is_not_finished_again() -> None:
    """A lost reply to the look for the next job repeats the look, and not the finish before it."""
    scope = Scope(settings=Settings(fused=True, attempts_max=1))
    assert run_actions(scope, guarded, None, BURIED_ON_THE_WAY) is None
    found = run_actions(scope, queues(ForgetsThatItFinished), None, BURIED_ON_THE_WAY)
    assert found is not None
    assert (found.finding.invariant, found.finding.got) == (None, "refused (exec-1 is finished)")


def test_a_finish_before_a_buried_job_is_done_once() -> None:
    """Only a lost reply of the transaction after it shows a worker that would finish again."""
    scope = Scope(settings=Settings(fused=True, attempts_max=1))
    bounds, again = Bounds(jobs=2, ticks=1, lost_replies=1), queues(FinishesAgain)
    assert prove(Proof(scope=scope, bounds=evolve(bounds, lost_replies=0), fault=again)).finding is None
    assert len(prove(Proof(scope=scope, bounds=bounds, fault=again)).actions) == 8
    result = prove(Proof(scope=scope, bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 1_033)
