"""Races within one statement on PostgreSQL: between its snapshot and its locks, another process commits."""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.subject.worlds import NoWorld, world_of
from failure_modes.checker.traces.scope_json import scope_from_json, scope_to_json
from model.actions import PRODUCER, Crash, Enqueue, Step
from model.state import Settings
from system.postgresql import PostgreSQLTransaction
from system.postgresql.transaction import SERVER_TIME
from system.rows import EXECUTION, read_execution
from system.store import Execution
from tests.checker.oracle.test_breakages import transactions

SCOPE = Scope(
    granularity=Granularity.STATEMENT,
    store=StoreKind.POSTGRESQL,
    settings=Settings(lease_ms=1_000),
    tick_seconds=(1,),
    within_statements=True,
)
STRATEGY = Strategy(weights=(("Step", 6), ("Enqueue", 1), ("Tick", 2), ("Reconcile", 4)), steps=20)
_COLUMNS = ", ".join([f"executions.{column}" for column in EXECUTION.split(", ")])


class ReadsNotAgain(PostgreSQLTransaction):
    """Locks the jobs of expired executions, and takes the executions from the same statement.

    They are as they were when the statement began: before it locked their jobs.
    """

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Look, lock and read in one statement."""
        rows = self._rows(
            f"SELECT {_COLUMNS}, {SERVER_TIME} AS now_at FROM executions JOIN jobs"
            " ON jobs.id = executions.job_id"
            " WHERE executions.status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
            f" AND lease_expires_at <= {SERVER_TIME} ORDER BY executions.id LIMIT ?"
            " FOR NO KEY UPDATE OF jobs SKIP LOCKED",
            limit,
        )
        for row in rows:
            self._now = row[-1]
        return tuple([read_execution(row[:-1]) for row in rows])


def _search(scope: Scope, fault: Fault, examples: int) -> Result:
    search = Search(scope=scope, strategy=STRATEGY, fault=fault, target=None, seed=2, examples=examples)
    return run(search, shrinking=False)


def test_rows_that_are_not_read_again_after_their_lock_are_found() -> None:
    """The search finds a recovery that uses rows from before it locked their jobs."""
    assert _search(SCOPE, transactions(ReadsNotAgain), examples=50).finding is not None


def test_without_a_pause_within_statements_they_are_not_found() -> None:
    """A statement with SKIP LOCKED waits for nothing, so as one step it hides this race."""
    whole = evolve(SCOPE, within_statements=False)
    assert _search(whole, transactions(ReadsNotAgain), examples=50).finding is None


def test_the_guarded_system_holds_within_statements() -> None:
    """The model agrees on which jobs a look gets, where other processes commit within it."""
    result = _search(SCOPE, guarded, examples=25)
    assert result.finding is None
    assert result.statistics.sometimes["a lease passed over a job"]


def _until_look(lockstep: Lockstep) -> None:
    """A job is there, and A is paused within the statement that looks for it."""
    lockstep.apply(Enqueue(key="k1"))
    while not lockstep.rests(PRODUCER):
        lockstep.apply(Step(worker=PRODUCER))
    while True:
        read = lockstep.apply(Step(worker="A")).moved.skip_locked
        if read is not None:
            assert read.paused
            return


def test_a_job_that_another_process_took_within_the_look_is_passed_over() -> None:
    """A sees the job, B leases it, and A goes on: the row is no longer as A looked for it."""
    with Lockstep(SCOPE) as lockstep:
        _until_look(lockstep)
        while not lockstep.durable.executions:
            lockstep.apply(Step(worker="B"))
        while not (done := lockstep.apply(Step(worker="A"))).committed:
            pass
        assert done.events == ()
        assert [one.worker for one in lockstep.durable.executions] == ["B"]


def test_a_process_that_dies_within_the_look_leaves_nothing() -> None:
    """Its statement goes on at the server, and is rolled back; another process gets the job."""
    with Lockstep(SCOPE) as lockstep:
        _until_look(lockstep)
        world: Any = lockstep.world
        session = world.processes["A"].connection
        lockstep.apply(Crash(worker="A"))
        assert not world.database.backends.is_ghost(session.ghost)
        while not lockstep.durable.executions:
            lockstep.apply(Step(worker="B"))


@pytest.mark.parametrize(
    "scope",
    [evolve(SCOPE, granularity=Granularity.TRANSACTION), evolve(SCOPE, store=StoreKind.SQLITE)],
    ids=["transaction", "sqlite"],
)
def test_other_worlds_do_not_pause_within_statements(scope: Scope) -> None:
    """Only statements that overlap have a moment within: elsewhere the scope is refused."""
    with pytest.raises(NoWorld, match="within statements"):
        world_of(scope, guarded)


def test_a_proof_does_not_pause_within_statements() -> None:
    """A restored world would not have the old snapshot of a statement, so it is refused."""
    with pytest.raises(NoWorld, match="within statements"):
        world_of(SCOPE, guarded, restorable=True)


def test_a_trace_keeps_it() -> None:
    """The scope of a trace says that processes pause within statements."""
    scope = evolve(SCOPE, tick_seconds=Scope().tick_seconds)
    assert scope_to_json(scope)["within_statements"] is True
    assert scope_from_json(scope_to_json(scope)) == scope
