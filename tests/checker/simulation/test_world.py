"""The world: a crash at any boundary loses only uncommitted work, and a run is a function of its actions."""

import random
import sqlite3
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from attrs import evolve

from failure_modes.checker.experiment.findings import Divergence
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep, run_actions
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.report.summary import trace_of
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.simulation.process_log import ProcessLog
from failure_modes.checker.simulation.sqlite_stepping import SQLiteStepping
from failure_modes.checker.simulation.stepping import (
    READ_ONLY_VERBS,
    Crashed,
    PausePoint,
    StatementResult,
    label,
    verb_of,
)
from failure_modes.checker.traces.replay import replay
from model.actions import PRODUCER, Action, Crash, Enqueue, Fail, Heartbeat, Step, Tick
from model.invariants import InjectedFault
from model.state import JobState
from system.policies import Retry
from system.queue import Queue
from system.sqlite import SQLiteTransaction
from system.store import Execution
from tests.checker.oracle.test_breakages import transactions

BOTH = pytest.mark.parametrize("granularity", list(Granularity))


def _work(lockstep: Lockstep, steps: int) -> int:
    """Enqueue a job and let A work on it for at most `steps` steps. Returns the number of steps."""
    lockstep.apply(Enqueue(key="k1"))
    while lockstep.possible(Step(worker=PRODUCER)):
        lockstep.apply(Step(worker=PRODUCER))
    taken = 0
    while taken < steps and lockstep.ledger.sometimes["a lease expired"] == 0:
        lockstep.apply(Step(worker="A"))
        taken += 1
        if lockstep.world.processes["A"].at_rest:
            break
    return taken


@BOTH
def test_a_crash_at_any_boundary_is_recovered_from(granularity: Granularity) -> None:
    """After a crash at any boundary the job ends with one effect, and the model agrees at each commit."""
    scope = Scope(workers=2, granularity=granularity)
    with Lockstep(scope) as lockstep:
        boundaries = _work(lockstep, 1_000)
    assert boundaries == (4 if granularity is Granularity.TRANSACTION else 30)
    for boundary in range(1, boundaries):
        with Lockstep(scope) as lockstep:
            _work(lockstep, boundary)
            lockstep.apply(Crash(worker="A"))
            lockstep.finish()
            assert lockstep.durable.job_state(1) is JobState.SUCCEEDED
            assert len(lockstep.durable.effects) == 1


def test_a_crash_after_commit_hides_it_from_the_worker_and_not_from_the_store() -> None:
    """After a crash between COMMIT and its answer, the rows are durable and the job continues from them."""
    scope = Scope(workers=1, granularity=Granularity.STATEMENT)
    with Lockstep(scope) as lockstep:
        _work(lockstep, 7)
        assert lockstep.world.processes["A"].at is PausePoint.COMMITTED
        assert lockstep.durable.job_state(1) is JobState.RUNNING
        lockstep.apply(Crash(worker="A"))
        assert lockstep.durable.job_state(1) is JobState.RUNNING
        lockstep.finish()
        assert lockstep.ledger.sometimes["a crash hid a commit from its worker"] == 1


class _Recorder:
    """A process that never pauses."""

    dead = False
    loses_reply = False

    def __init__(self) -> None:
        self.read_only: list[bool] = []
        self.log = ProcessLog("recorder", self.refuse)
        """An empty log."""

    def reached(self, at: PausePoint, statement: str) -> None:
        """Do not pause."""

    def blocked(self, statement: str, *, within: bool = False) -> None:
        """Fail: no other process releases a lock."""
        raise AssertionError(f"blocked: {statement}, within: {within}")

    def record(self, ran: StatementResult) -> None:
        """Do nothing."""

    def refuse(self, error: BaseException) -> NoReturn:
        """Raise the error."""
        raise error

    def read_time(self, at: int) -> None:
        """Fail: no server gives the time."""
        raise AssertionError(f"read {at}")

    def began(self) -> None:
        """Do not pause."""

    def skips_locked(self, unlocked: tuple[int, ...]) -> None:
        """Do nothing: no other process locks a row."""

    def failed(self) -> None:
        """Do nothing: no other process waits for a lock."""

    def ended(self, *, committed: bool, changed: bool, read_only: bool) -> None:
        """Record if the transaction was read-only."""
        del committed, changed
        self.read_only.append(read_only)


def test_a_dead_process_makes_nothing_durable_and_keeps_no_lock(tmp_path: object) -> None:
    """After death, `finally` and `except` blocks have no durable effect, and an open SELECT holds no lock."""
    path = f"{tmp_path}/store.db"
    process = _Recorder()
    connection = SQLiteStepping(sqlite3.connect(path, isolation_level=None, timeout=0), process)
    connection.execute("CREATE TABLE t (n)")
    connection.execute("INSERT INTO t VALUES (1), (2), (3)")
    unfinished = connection.execute("SELECT n FROM t")
    assert unfinished.fetchone() == (1,)
    connection.execute("BEGIN IMMEDIATE")
    with suppress(Crashed):
        try:
            connection.execute("INSERT INTO t VALUES (4)")
            process.dead = True
            connection.execute("INSERT INTO t VALUES (5)")
        finally:
            connection.execute("COMMIT")
    connection.kill(close=True)
    other = sqlite3.connect(path, timeout=0)
    other.execute("BEGIN EXCLUSIVE")
    assert other.execute("SELECT count(*) FROM t").fetchall() == [(3,)]
    other.close()


@BOTH
def test_the_same_actions_give_the_same_run(granularity: Granularity) -> None:
    """Two runs of the same actions have equal records."""
    scope = Scope(workers=2, granularity=granularity)
    alphabet = UNRESTRICTED.alphabet(Scope().with_each_tick())
    for seed in range(20):
        chance = random.Random(seed)
        first = _run(scope, tuple(chance.choices(alphabet, k=80)))
        again = _run(scope, tuple([record.action for record in first if not record.recovering]))
        assert first == again
        assert any(record.events for record in first)


def _run(scope: Scope, actions: tuple[Action, ...]) -> list[Record]:
    with Lockstep(scope) as lockstep:
        for action in actions:
            if lockstep.possible(action):
                lockstep.apply(action)
        lockstep.finish()
        return lockstep.ledger.records


def test_what_cannot_happen_is_not_possible() -> None:
    """A handler that does not run cannot fail, a process at rest cannot crash, and no other one moves."""
    with Lockstep(Scope(workers=1)) as lockstep:
        assert not lockstep.possible(Fail(worker="A"))
        assert not lockstep.possible(Heartbeat(worker="A"))
        assert not lockstep.possible(Crash(worker="A"))
        assert not lockstep.possible(Step(worker="B"))
        assert not lockstep.possible(Step(worker=PRODUCER))
        assert lockstep.possible(Step(worker="A"))
        assert lockstep.possible(Tick(seconds=1))


def test_a_blocked_process_waits_until_the_lock_is_released() -> None:
    """At granularity `statement` the second writer waits, and continues when the first has committed."""
    scope = Scope(workers=2, granularity=Granularity.STATEMENT)
    with Lockstep(scope) as lockstep:
        lockstep.apply(Step(worker="A"))
        record = lockstep.apply(Step(worker="B"))
        assert record.blocked
        assert not lockstep.possible(Step(worker="B"))
        lockstep.apply(Step(worker="A"))
        lockstep.apply(Step(worker="A"))
        assert lockstep.possible(Step(worker="B"))
        assert not lockstep.apply(Step(worker="B")).blocked


def test_a_divergence_on_the_guarded_system_is_a_trace_that_replays() -> None:
    """A queue that diverges from the model without breaking an invariant gives a trace that can be kept."""

    class Longer(Retry):
        def backoff_ms(self, attempt: int) -> int:
            return super().backoff_ms(attempt) + 1

    def fault(queue: Queue) -> Queue:
        return evolve(queue, policies=evolve(queue.policies, retry=Longer()))

    result = run(
        Search(
            scope=Scope().with_each_tick(),
            strategy=UNRESTRICTED,
            fault=fault,
            target=None,
            seed=0,
            examples=500,
        )
    )
    trace = trace_of(None, Scope(), result, "")
    assert trace is not None
    assert (trace.breaks.invariant, trace.breaks.step) == (None, 4)
    again = run_actions(trace.scope, fault, None, trace.actions)
    assert again is not None
    assert again.finding == result.finding
    assert replay(trace).finding is None, "the real queue does not part"


def test_a_rewritten_history_is_a_divergence() -> None:
    """An audit row that changes after it was read is a divergence."""

    class Rewrites(SQLiteTransaction):
        def move(self, execution: Execution, **options: Any) -> None:
            super().move(execution, **options)
            self._run("UPDATE audit SET actor = 'nobody' WHERE event = 'leased'")

    with Lockstep(Scope(workers=1), transactions(Rewrites)) as lockstep:
        lockstep.apply(Enqueue(key="k1"))
        with pytest.raises(Divergence, match="without earlier rows, or has changed ones"):
            lockstep.finish()


def test_a_transaction_that_changed_no_row_may_not_be_read_only() -> None:
    """An ignored INSERT changes no row but raises the last id, so its transaction is not read-only."""
    process = _Recorder()
    database = sqlite3.connect(":memory:", isolation_level=None)
    connection = SQLiteStepping(database, process)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE)")
    connection.execute("INSERT INTO t (key) VALUES ('k1')")
    changes, process.read_only = database.total_changes, []
    for statement in ("SELECT * FROM t", "INSERT OR IGNORE INTO t (key) VALUES ('k1')", "SELECT * FROM t"):
        for sql in ("BEGIN IMMEDIATE", statement, "COMMIT"):
            connection.execute(sql)
    assert database.total_changes == changes
    assert database.execute("SELECT seq FROM sqlite_sequence").fetchall() == [(2,)]
    assert process.read_only == [True, False, True]
    connection.close()


@pytest.mark.parametrize(
    ("sql", "told", "looks"),
    [
        ("SELECT id FROM jobs WHERE id = ? FOR UPDATE", "SELECT jobs", True),
        ("WITH new AS (SELECT id FROM jobs FOR UPDATE SKIP LOCKED) SELECT * FROM new", "SELECT jobs", True),
        ("WITH new AS (SELECT id FROM jobs FOR NO KEY UPDATE) SELECT * FROM new", "SELECT jobs", True),
        ("WITH x AS (UPDATE executions SET id = 1) INSERT INTO audit VALUES (1)", "UPDATE executions", False),
        ("WITH x AS (SELECT 1 FROM jobs FOR UPDATE) DELETE FROM audit", "DELETE jobs", False),
    ],
)
def test_a_statement_that_only_locks_rows_is_read_only(sql: str, told: str, *, looks: bool) -> None:
    """A SELECT that locks rows counts as read-only: after it the store is unchanged."""
    assert label(sql) == told
    assert (verb_of(sql) in READ_ONLY_VERBS) is looks


def test_a_statement_cannot_bypass_the_boundaries() -> None:
    """Every method that would bypass `execute` is refused."""
    connection = SQLiteStepping(sqlite3.connect(":memory:", isolation_level=None), _Recorder())
    for way in ("cursor", "commit", "rollback", "executemany", "executescript"):
        with pytest.raises(RuntimeError, match="every statement must go through execute"):
            getattr(connection, way)
    connection.close()


@BOTH
def test_a_failure_of_a_handler_is_in_the_ledger(granularity: Granularity) -> None:
    """The ledger has a failure of a handler at any boundary before the commit of the failure."""
    with Lockstep(Scope(workers=1, granularity=granularity)) as lockstep:
        lockstep.apply(Enqueue(key="k1"))
        while lockstep.possible(Step(worker=PRODUCER)):
            lockstep.apply(Step(worker=PRODUCER))
        while lockstep.world.processes["A"].at is not PausePoint.HANDLER:
            lockstep.apply(Step(worker="A"))
        lockstep.apply(Fail(worker="A"))
        while not lockstep.rests("A"):
            lockstep.apply(Step(worker="A"))
        assert lockstep.ledger.faults == [InjectedFault(kind="failure", job=1)]
