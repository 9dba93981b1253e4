"""The store loses its last commits, and the workers live on: the model and the queue do the same.

No other action meets a token that the store does not know: a crash or a loss of power leaves no worker that
could still have it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep, run_actions
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.sometimes import OF_GATEWAY, OF_ROLLBACK
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Breaks, Trace, to_json
from failure_modes.checker.traces.trace_reader import load
from model.actions import (
    PRODUCER,
    Action,
    Crash,
    Enqueue,
    Fail,
    PowerLoss,
    Rollback,
    Step,
    ThreadHeartbeat,
    thread_of,
)
from model.events import EventKind, Operation, Reason
from model.invariants import InjectedFault
from model.state import Phase, Settings, initial
from model.step import step
from system.policies.external import ExternalKeys
from system.policies.lease import Lease
from system.queue import Queue
from tests.checker.searching import first_finding

A, B = Step(worker="A"), Step(worker="B")
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
SCOPE = Scope(rollback=True)
EXTERNAL = Scope(rollback=True, settings=Settings(external=True))
AT_SERVER = Scope(rollback=True, store=StoreKind.POSTGRESQL)
STRATEGY = UNRESTRICTED.weighted("Rollback", 1)


def numbers_only(queue: Queue) -> Queue:
    """Every execution has the same token, so the fence compares its number only."""
    queue.store._tokens = lambda: "token"  # type: ignore[attr-defined]  # noqa: SLF001 (the fault)
    return queue


class KeysByNumber(ExternalKeys):
    """The gateway's key has the number of the job, which a restored store gives to another job."""

    def key(self, lease: Lease) -> str:
        """The number of the job."""
        return f"{self.prefix}-{lease.job.id}"


def _by_number(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, external=KeysByNumber()))


def _run(*actions: Action, scope: Scope = SCOPE) -> Lockstep:
    lockstep = Lockstep(scope)
    for action in actions:
        assert lockstep.possible(action)
        lockstep.apply(action)
    return lockstep


def _found(fault: Fault, scope: Scope, *, examples: int, rollback: bool = True) -> Finding | None:
    return first_finding(
        evolve(scope, rollback=rollback),
        STRATEGY if rollback else UNRESTRICTED,
        fault,
        seed=5,
        examples=examples,
    )


def test_a_survivor_cannot_commit_for_another_worker() -> None:
    """Its execution is lost, and B has one of the same number: the commit of A is refused by its token."""
    with _run(K1, A, A, Rollback(commits=2), B, B) as lockstep:
        record = lockstep.apply(A)
        (event,) = record.events
        assert (event.event, event.operation, event.actor) == (EventKind.REFUSED, Operation.COMMIT, "A")
        assert (event.reason, event.execution) == (Reason.UNKNOWN_TOKEN, 1)
        lockstep.finish()
        assert [effect.execution for effect in lockstep.durable.effects] == [1]
        assert lockstep.ledger.sometimes[OF_ROLLBACK[1]] == 1


def test_a_survivor_without_any_execution_of_that_number_changes_nothing() -> None:
    """The queue says no, and there is no row to which an audit row could belong."""
    with _run(K1, A, Rollback(commits=1)) as lockstep:
        record = lockstep.apply(A)
        assert (record.events, record.answers[0].system.value) == ((), False)
        lockstep.finish()


@pytest.mark.slow
@pytest.mark.parametrize("granularity", Granularity)
def test_on_postgresql_the_guarded_system_survives_rollbacks(granularity: Granularity) -> None:
    """A promoted standby lacks the last commits: stale tokens are refused, and ids are given out again."""
    scope = evolve(AT_SERVER, granularity=granularity)
    world_of(scope, guarded).close()
    search = Search(scope=scope, strategy=STRATEGY, fault=guarded, target=None, seed=5, examples=12)
    result = run(search, shrinking=False)
    assert result.finding is None
    assert all(result.statistics.sometimes[name] for name in OF_ROLLBACK)


def _steps(lockstep: Lockstep, name: str, until: Callable[[Record], bool]) -> Record:
    """The process goes on until one of its steps is such a step."""
    for _ in range(30):
        record = lockstep.apply(Step(worker=name))
        if until(record):
            return record
    raise AssertionError(f"{name} did not get there")


@pytest.mark.parametrize("looks_first", [True, False])
def test_on_postgresql_a_survivor_may_look_before_another_gets_its_number(looks_first: bool) -> None:
    """Then it sees no execution, and writes nothing; if it looks later, it is refused by its token."""
    scope = evolve(AT_SERVER, granularity=Granularity.STATEMENT)

    def looks(record: Record) -> bool:
        return "FOR NO KEY UPDATE OF jobs, executions" in (record.moved.ran or "")

    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        lockstep.apply(K1)
        for name in (PRODUCER, "A", "A"):  # enqueue, lease, start
            _steps(lockstep, name, lambda record: record.committed)
        lockstep.apply(Step(worker=PRODUCER))
        lockstep.apply(A)
        lockstep.apply(Rollback(commits=2))
        _steps(lockstep, "B", lambda record: "INSERT INTO executions" in (record.moved.ran or ""))
        if looks_first:
            _steps(lockstep, "A", looks)
        _steps(lockstep, "B", lambda record: record.committed)
        record = _steps(lockstep, "A", lambda record: record.committed)
        reasons = [event.reason for event in record.events]
        assert reasons == ([] if looks_first else [Reason.UNKNOWN_TOKEN])


def test_on_postgresql_a_number_in_place_of_a_token_is_found() -> None:
    """The breakage is the same as on SQLite, and so is its shortest trace."""
    world_of(AT_SERVER, guarded).close()
    proof = Proof(scope=AT_SERVER, bounds=Bounds(jobs=1, rollbacks=1), fault=numbers_only)
    assert prove(proof).actions == (K1, A, Rollback(commits=1), B)


def test_a_second_thread_of_a_survivor_extends_no_lease_of_another() -> None:
    """Its heartbeat began before the rollback. B has an execution of the same number, with another token."""
    begun = ThreadHeartbeat(worker="A"), Rollback(commits=2), B
    with _run(K1, A, A, *begun, scope=evolve(SCOPE, threads=True)) as lockstep:
        (event,) = lockstep.apply(Step(worker=thread_of("A"))).events
        assert (event.event, event.operation) == (EventKind.REFUSED, Operation.HEARTBEAT)
        assert event.reason == Reason.UNKNOWN_TOKEN
        lockstep.finish()


def test_a_proof_with_second_threads_and_rollbacks_is_complete() -> None:
    """Each reachable state of this scope holds, in a world that replays its actions."""
    scope = Scope(rollback=True, threads=True, workers=1)
    bounds = Bounds(jobs=1, rollbacks=1, thread_heartbeats=1)
    result = prove(Proof(scope=scope, bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 124)


def test_a_survivor_whose_execution_was_kept_goes_on() -> None:
    """Only its commit was lost: the worker cannot finish the execution, and the job comes back."""
    with _run(K1, A, A, A, Rollback(commits=1)) as lockstep:
        (event,) = lockstep.apply(A).events
        assert (event.operation, event.reason) == (Operation.FINISH, Reason.ALREADY_FINISHED)
        lockstep.finish()
        assert len(lockstep.durable.effects) == 1


def test_a_job_that_was_accepted_after_the_restored_point_is_forgiven_and_no_other() -> None:
    """The invariants are about what the restored store knows."""
    with _run(K1, K2, Rollback(commits=1)) as lockstep:
        assert lockstep.ledger.accepted_keys == ("k1",)
        lockstep.finish()
        assert [job.key for job in lockstep.durable.jobs] == ["k1"]


def test_a_crash_stays_known_where_the_restored_store_can_know_of_it() -> None:
    """The crash of A, whose execution is kept, must be shown; the crash of B need not."""
    died = (Crash(worker="A"), Crash(worker="B"))
    with _run(K1, K2, A, B, *died, Rollback(commits=1)) as lockstep:
        assert lockstep.ledger.faults == [InjectedFault(kind="crash", job=1, execution=1)]
        lockstep.finish()


def test_the_failure_of_a_lost_execution_is_not_of_a_job_that_the_store_knows() -> None:
    """The handler of a survivor fails: no job of the restored store has that failure."""
    with _run(K1, A, A, Rollback(commits=2), Fail(worker="A")) as lockstep:
        assert lockstep.ledger.faults == []
        lockstep.finish()


def test_a_charge_stays_and_is_recognised_when_the_job_is_done_again() -> None:
    """The gateway is another system: it does not go back, and a job has the same key for it as before."""
    with _run(K1, A, A, A, Rollback(commits=3), scope=EXTERNAL) as lockstep:
        assert lockstep.durable.charges == ("k1",)
        assert lockstep.durable.jobs == ()
        lockstep.apply(K1)
        lockstep.finish()
        assert lockstep.durable.charges == ("k1",)
        assert lockstep.ledger.sometimes[OF_GATEWAY] == 1


def test_the_store_is_not_set_back_while_a_transaction_is_open() -> None:
    """A restore is one transaction of its own."""
    with Lockstep(evolve(SCOPE, granularity=Granularity.STATEMENT)) as lockstep:
        back = Rollback(commits=1)
        assert lockstep.possible(back)
        lockstep.apply(K1)
        lockstep.apply(Step(worker="producer"))
        assert lockstep.system.place("producer").in_transaction
        assert not lockstep.possible(back)


def test_a_rollback_of_more_commits_than_there_are_leads_to_the_first_state() -> None:
    """The step is total; a store that is never set back rejects the action."""
    first = initial(settings=Settings(), workers=("A",), rollback=True)
    leased, _ = step(step(first, K1)[0], A)
    back, _ = step(leased, Rollback(commits=3))
    assert back.durable == first.durable
    survivor = back.worker("A")
    assert survivor is not None
    assert (survivor.phase, survivor.execution, survivor.lost_key) == (Phase.LEASED, 1, "k1")
    assert step(first, Rollback(commits=1))[0] == first
    never = initial(settings=Settings(), workers=("A",))
    assert step(never, Rollback(commits=1))[1].rejected == "no earlier state is remembered"


@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("external", [False, True])
def test_the_guarded_system_survives_rollbacks(granularity: Granularity, external: bool) -> None:
    """A search that sets the store back finds nothing in the guarded system, and meets stale tokens."""
    search = Search(
        scope=Scope(granularity=granularity, rollback=True, settings=Settings(external=external)),
        strategy=STRATEGY,
        fault=guarded,
        target=None,
        seed=5,
        examples=40,
    )
    result = run(search, shrinking=False)
    assert result.finding is None
    assert all(result.statistics.sometimes[name] for name in OF_ROLLBACK)


@pytest.mark.parametrize(("fault", "scope"), [(numbers_only, SCOPE), (_by_number, EXTERNAL)])
def test_numbers_in_place_of_tokens_are_seen_only_with_rollbacks(fault: Fault, scope: Scope) -> None:
    """The search without rollbacks misses the breakage in as many examples."""
    assert _found(fault, scope, examples=60, rollback=False) is None
    assert _found(fault, scope, examples=60) is not None


def test_a_proof_with_rollbacks_is_complete() -> None:
    """Each reachable state of this scope holds; symmetry only merges states."""
    proof = Proof(scope=SCOPE, bounds=Bounds(jobs=1, ticks=1, rollbacks=1), fault=guarded)
    result = prove(proof)
    assert (result.complete, result.finding, result.counts.states) == (True, None, 720)
    plain = prove(evolve(proof, reductions=Reductions(symmetry=False)))
    assert (plain.complete, plain.finding, plain.counts.states) == (True, None, 1422)


def test_the_proof_has_a_shortest_trace_of_the_breakage() -> None:
    """Enqueue, lease, the rollback, and another lease: the survivor starts the execution of the other."""
    bounds = Bounds(jobs=1, rollbacks=1)
    result = prove(Proof(scope=SCOPE, bounds=bounds, fault=numbers_only))
    assert result.finding is not None
    assert result.finding.invariant == "INV_003"
    assert result.actions == (K1, A, Rollback(commits=1), B)
    found = run_actions(SCOPE, numbers_only, None, (*result.actions, A))
    assert found is not None
    without = prove(Proof(scope=Scope(), bounds=Bounds(jobs=1, ticks=1, crashes=1), fault=numbers_only))
    assert (without.complete, without.finding) == (True, None)


def test_a_trace_with_a_rollback_is_kept_and_shown(tmp_path: Path) -> None:
    """The trace is the same when it is read again, and its rollback is marked."""
    breaks = Breaks(invariant="INV_003", step=None)
    actions = (K1, A, Rollback(commits=1))
    trace = Trace(failure_mode=None, scope=SCOPE, actions=actions, breaks=breaks, why="a rollback")
    kept = tmp_path / "kept.json"
    kept.write_text(to_json(trace))
    assert load(kept) == trace
    assert "rollback of 1" in rendered(replay(trace))


def test_a_rollback_needs_a_scope_of_its_own() -> None:
    """Where no earlier rows are kept there is none, and no world loses power too."""
    with Lockstep(Scope()) as lockstep:
        assert not lockstep.possible(Rollback(commits=1))
    with _run() as lockstep:
        assert not lockstep.possible(PowerLoss())
    with pytest.raises(ValueError, match="earlier rows are kept"):
        Alphabet(Scope(), Bounds(rollbacks=1))
    with pytest.raises(ValueError, match="different worlds"):
        Scope(rollback=True, power_loss=True)
    at_statements = evolve(AT_SERVER, granularity=Granularity.STATEMENT)
    with pytest.raises(ValueError, match="at granularity transaction"):
        Alphabet(at_statements, Bounds(rollbacks=1))
