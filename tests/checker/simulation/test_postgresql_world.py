"""The world on PostgreSQL: it does the same as on SQLite, and handles waits, deadlocks and ghosts."""

import os
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.policy_search import LIMITED
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.real.fidelity import compare, schedules
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.worlds import why_not_here, world_of
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace
from model.actions import PRODUCER, Crash, Enqueue, Step
from system.postgresql import PostgreSQLTransaction
from system.rows import EXECUTION, JOB, read_execution, read_job
from system.store import Execution, Job
from tests.checker.oracle.test_breakages import transactions

STATEMENTS = Scope(granularity=Granularity.STATEMENT, store=StoreKind.POSTGRESQL).with_each_tick()
MOVED = [
    (path.stem, trace)
    for path, trace in all_kept()
    if (trace.scope.store, trace.scope.granularity) == (StoreKind.SQLITE, Granularity.TRANSACTION)
    and not trace.scope.power_loss
]


def test_ci_has_a_server() -> None:
    """CI has a server; on other machines the tests that need one are skipped, with the reason."""
    if os.environ.get("CI"):
        assert why_not_here(StoreKind.POSTGRESQL) is None


@pytest.mark.parametrize(("name", "trace"), MOVED, ids=[name for name, _ in MOVED])
@pytest.mark.parametrize("on_guarded", [False, True], ids=["broken", "guarded"])
def test_a_kept_trace_prints_the_same_on_both_stores(name: str, trace: Trace, *, on_guarded: bool) -> None:
    """At granularity `transaction` the printed traces differ only in the name of the store."""
    del name
    moved = evolve(trace, scope=evolve(trace.scope, store=StoreKind.POSTGRESQL))
    there, here = replay(moved, guarded=on_guarded), replay(trace, guarded=on_guarded)
    assert there.as_expected, rendered(there)
    assert rendered(there).replace("      postgresql ", "      sqlite ") == rendered(here)


def test_every_state_is_the_same_on_both_stores() -> None:
    """The proof of the guarded system has the same states, transitions and depth on both stores."""
    bounds = Bounds(jobs=1, ticks=2, crashes=1, reconciles=1)
    here, there = (
        prove(Proof(scope=Scope(store=store), bounds=bounds, fault=guarded)) for store in StoreKind
    )
    assert (here.complete, there.complete) == (True, True)
    assert (here.finding, there.finding) == (None, None)
    assert (here.counts.states, here.counts.transitions) == (there.counts.states, there.counts.transitions)
    assert here.depth == there.depth


def test_the_guarded_system_holds_statement_by_statement() -> None:
    """Nothing breaks, while processes wait for locks, skip locked jobs and die inside a transaction."""
    search = Search(scope=STATEMENTS, strategy=UNRESTRICTED, fault=guarded, target=None, seed=3, examples=100)
    result = run(search, shrinking=False)
    assert result.finding is None
    for name in (
        "a process waited for a lock",
        "a lease passed over a job",
        "a crash fell inside a transaction",
        "a crash hid a commit from its worker",
    ):
        assert result.statistics.sometimes[name], name


def test_limits_and_a_gateway_hold_statement_by_statement() -> None:
    """Transactions that lock the retry budget and the breaker never deadlock."""
    scope = evolve(STATEMENTS, settings=LIMITED)
    search = Search(scope=scope, strategy=UNRESTRICTED, fault=guarded, target=None, seed=1, examples=60)
    result = run(search, shrinking=False)
    assert result.finding is None
    assert result.statistics.sometimes["a process waited for a lock"]
    assert result.statistics.sometimes["a retry was passed over"]
    assert not result.statistics.sometimes["a deadlock was broken"]


def test_the_same_schedule_gives_the_same_run() -> None:
    """Two runs have the same steps, rows and ids: the speed of the server has no effect."""
    for schedule in schedules(20, 1, StoreKind.POSTGRESQL):
        assert compare(schedule, world_of).difference is None


def test_a_dead_workers_statement_still_runs_once_it_gets_its_lock() -> None:
    """A dead worker's statement is a ghost with its locks until it gets its lock; then it leaves nothing."""
    with Lockstep(STATEMENTS, target=Target("INV_001")) as lockstep:
        lockstep.apply(Enqueue(key="k1"))
        while not lockstep.rests(PRODUCER):
            lockstep.apply(Step(worker=PRODUCER))
        while lockstep.world.processes["A"].at is not PausePoint.HANDLER:
            lockstep.apply(Step(worker="A"))
        world: Any = lockstep.world
        blocker = world.database.server.connection("blocker")[0]
        blocker.is_blocked = None
        blocker.execute("BEGIN; SELECT * FROM jobs FOR UPDATE")
        while not lockstep.apply(Step(worker="A")).blocked:
            pass
        session = world.processes["A"].connection
        lockstep.apply(Crash(worker="A"))
        assert world.database.backends.is_ghost(session.ghost)
        blocker.execute("COMMIT")
        world.database.backends.wait_until_settled()
        assert not world.database.backends.is_ghost(session.ghost)
        assert lockstep.durable.effects == ()


class LocksNothing(PostgreSQLTransaction):
    """Reads the next job without a lock."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Without FOR NO KEY UPDATE SKIP LOCKED."""
        due = "available_at <= ?" if retries else "NOT timed AND available_at IS NOT NULL"
        values = [self.now] if retries else []
        rows = self._rows(
            f"SELECT {JOB} FROM jobs WHERE {due} ORDER BY NOT timed, available_at, id LIMIT 1", *values
        )
        return read_job(rows[0]) if rows else None


class ReadsTooEarly(PostgreSQLTransaction):
    """Reads an execution before it locks the job, so the execution may change in between."""

    def find_execution(self, execution_id: int) -> Execution | None:
        """Read, then lock."""
        row = self._rows(f"SELECT {EXECUTION} FROM executions WHERE id = ?", execution_id)[0]
        super().find_execution(execution_id)
        return read_execution(row)


class RecoversUnlocked(PostgreSQLTransaction):
    """Reads the expired executions without a lock."""

    def expired(self, limit: int) -> tuple[Execution, ...]:
        """Without FOR NO KEY UPDATE."""
        now = self.now
        rows = self._rows(
            f"SELECT {EXECUTION} FROM executions WHERE status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')"
            " AND lease_expires_at <= ? ORDER BY id LIMIT ?",
            now,
            limit,
        )
        return tuple([read_execution(row) for row in rows])


class LocksTheExecutionOnly(PostgreSQLTransaction):
    """Locks an execution but not its job, so that another worker may lease the job meanwhile."""

    def find_execution(self, execution_id: int) -> Execution | None:
        """Lock the execution only."""
        _ = self.now
        rows = self._rows(f"SELECT {EXECUTION} FROM executions WHERE id = ? FOR UPDATE", execution_id)
        return read_execution(rows[0])


class LocksTheJobOnly(PostgreSQLTransaction):
    """Locks the job, and takes the execution from the statement that waited, as it was before."""

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return super()._rows(sql.replace("UPDATE OF jobs, executions", "UPDATE OF jobs"), *values)


@pytest.mark.parametrize(
    "kind", [LocksNothing, ReadsTooEarly, RecoversUnlocked, LocksTheExecutionOnly, LocksTheJobOnly]
)
def test_a_store_that_locks_wrongly_is_found(kind: type[PostgreSQLTransaction]) -> None:
    """The search at granularity `statement` finds that the store locks wrongly."""
    search = Search(
        scope=STATEMENTS,
        strategy=UNRESTRICTED,
        fault=transactions(kind),
        target=None,
        seed=1,
        examples=1_000,
    )
    result = run(search, shrinking=False)
    assert result.finding is not None
