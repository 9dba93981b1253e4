"""The server's clock: the queue reads it with its own statements, and a time from before a wait is seen."""

import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.findings import Divergence
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, build_queue, guarded
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.queue_subject import QueueSubject, constant_token
from failure_modes.checker.subject.worlds import world_of
from model.actions import PRODUCER, RECONCILER, Action, Crash, Enqueue, Fail, Reconcile, Step, Tick
from model.state import Settings
from system.postgresql import PostgreSQLStore, PostgreSQLTransaction
from system.queue import Queue
from system.rows import EXECUTION
from system.store import Job
from tests.checker.oracle.test_breakages import transactions

WAIT = "a statement that waits"
HOLD = f"SELECT {EXECUTION}"
"""The statement by which an operation locks the job of its execution."""
BEFORE_ITS_LOCK = "rejected (the operation read a time before it got its lock)"
SYSTEM = Path(__file__).parents[3] / "system"
FOLDERS = "postgresql", "sql"
SCOPE = Scope(
    granularity=Granularity.STATEMENT,
    store=StoreKind.POSTGRESQL,
    settings=Settings(lease_ms=1_000),
    tick_seconds=(1,),
)
SEARCHED = evolve(SCOPE, settings=Settings(lease_ms=1_000, attempts_max=9))
"""The job goes from worker to worker. The commit of the last one waits for that of a late one."""
STRATEGY = Strategy(weights=(("Step", 6), ("Enqueue", 1), ("Tick", 3)), steps=20)


class ReadsTheTimeBeforeItsLock(PostgreSQLTransaction):
    """Holds an execution at the time of its statement, from before the wait for the lock."""

    before = "statement_timestamp"

    def _rows(self, sql: str, *values: object) -> list[Any]:
        if "FOR NO KEY UPDATE OF jobs, executions" in sql:
            sql = sql.replace("clock_timestamp", self.before)
        return super()._rows(sql, *values)


class ReadsTheTimeOfItsBegin(ReadsTheTimeBeforeItsLock):
    """Holds an execution at the time at which its transaction began."""

    before = "transaction_timestamp"


class KeepsTheTimeOfItsFinish(PostgreSQLTransaction):
    """A lease goes by the first time that its transaction has read."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look for the job, and go back to that time."""
        first = self._now
        found = super().next_available(retries=retries)
        self._now = first or self._now
        return found


def _search(fault: Fault, examples: int) -> Result:
    search = Search(scope=SEARCHED, strategy=STRATEGY, fault=fault, target=None, seed=1, examples=examples)
    return run(search, shrinking=False)


@pytest.mark.parametrize("kind", [ReadsTheTimeBeforeItsLock, ReadsTheTimeOfItsBegin])
def test_a_time_from_before_the_wait_is_found(kind: type[PostgreSQLTransaction]) -> None:
    """The search finds a commit or heartbeat that reads the time before it waits for its lock."""
    result = _search(transactions(kind), examples=100)
    assert result.finding is not None
    assert result.finding.expected == BEFORE_ITS_LOCK


def test_on_a_test_clock_it_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue with a clock of the process reads no time in its statement, so the mistake is not there."""

    def opened(self: QueueSubject, process: Any, location: str) -> Queue:
        store = PostgreSQLStore(location, clock=process, connect=process.connect, tokens=constant_token)
        process.end_set_up()
        return build_queue(store, self.scope.settings, self.fault)

    monkeypatch.setattr(QueueSubject, "open", opened)
    result = _search(transactions(ReadsTheTimeBeforeItsLock), examples=40)
    assert result.finding is None
    assert result.statistics.sometimes["a process waited for a lock"]


def test_the_guarded_system_reads_each_time_after_its_lock() -> None:
    """Nothing is found where leases are as short as a tick, and time passes while processes wait."""
    result = _search(guarded, examples=40)
    assert result.finding is None
    assert result.statistics.sometimes["a process waited for a lock"]


def test_each_function_answers_with_its_own_time() -> None:
    """The start of the transaction, of the statement, and now are three times; others hear of one."""
    with Lockstep(SCOPE) as lockstep:
        database: Any = lockstep.world.database
        session, _ = database.server.connection("another")
        database.server.time.tell(session.info.backend_pid, began_at=1_000, sent_at=2_000, now=3_000)
        names = "now", "transaction_timestamp", "statement_timestamp", "clock_timestamp"
        sql = "SELECT " + ", ".join([f"extract(epoch FROM pg_catalog.{name}())::integer" for name in names])
        assert session.execute(sql).fetchall() == [(1, 1, 2, 3)]
        assert database.server.control.execute(sql).fetchall() == [(3, 3, 3, 3)]


def test_the_system_reads_the_time_by_the_functions_that_are_simulated() -> None:
    """No text of the system has another function, or a constant of SQL, that gives the time."""
    others = re.compile(r"(?i)\b(current_time\w*|current_date|localtime\w*|timeofday)\b|(?<![.\w])now\(\)")
    texts = [path.read_text(encoding="utf-8") for name in FOLDERS for path in (SYSTEM / name).glob("*.py")]
    assert any("clock_timestamp()" in text for text in texts)
    assert not [found for text in texts if (found := others.search(text))]


def _goes(lockstep: Lockstep, name: str, first: Action | None = None) -> Record:
    """The process goes on to its next commit. Returns that step."""
    commit = done = lockstep.apply(first or Step(worker=name))
    for _ in range(30):
        if done.committed:
            break
        commit = done = lockstep.apply(Step(worker=name))
    assert commit.committed
    if name in (PRODUCER, RECONCILER):
        lockstep.apply(Step(worker=name))
    return commit


def _to(lockstep: Lockstep, name: str, statement: str) -> None:
    """The process goes on until it has run this statement, or waits for a lock."""
    for _ in range(20):
        done = lockstep.apply(Step(worker=name))
        if done.blocked or (done.moved.ran or "").startswith(statement):
            return
    raise AssertionError(f"{name} did not come to {statement}")


def _both_have_had_the_job(lockstep: Lockstep) -> None:
    """B's lease has run out, and A has the job now. Both are in their handlers: B is late."""
    _goes(lockstep, PRODUCER, Enqueue(key="k1"))
    for name in ("B", "A"):
        lockstep.apply(Tick(seconds=1))
        while lockstep.world.processes[name].at is not PausePoint.HANDLER:
            lockstep.apply(Step(worker=name))


def _commits_past_its_lease(fault: Fault) -> tuple[str, ...]:
    """A's commit waits for the late commit of B, and its lease runs out meanwhile. What A wrote."""
    with Lockstep(SCOPE, fault) as lockstep:
        _both_have_had_the_job(lockstep)
        _to(lockstep, "B", HOLD)
        _to(lockstep, "A", WAIT)
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, "B")
        events = _goes(lockstep, "A").events
        return tuple([f"{event.operation} {event.event} {event.reason}" for event in events])


def test_a_commit_that_waits_past_its_lease_is_refused() -> None:
    """It reads the time when it has its lock, and then its lease has run out."""
    assert _commits_past_its_lease(guarded) == ("commit refused lease_expired",)


def test_a_commit_at_the_time_from_before_its_wait_is_found() -> None:
    """It is accepted, for the time of its statement is within the lease; the model does not accept it."""
    with pytest.raises(Divergence) as found:
        _commits_past_its_lease(transactions(ReadsTheTimeBeforeItsLock))
    assert found.value.finding.expected == BEFORE_ITS_LOCK


FUSED = evolve(SCOPE, settings=Settings(lease_ms=9_000, retries_max=1, fused=True))


def _finishes_after_a_wait(fault: Fault) -> tuple[str, ...]:
    """A's finish waits for the late commit of B; then A leases the next job. What A wrote."""
    with Lockstep(evolve(FUSED, settings=evolve(FUSED.settings, lease_ms=1_000)), fault) as lockstep:
        _both_have_had_the_job(lockstep)
        _goes(lockstep, PRODUCER, Enqueue(key="k2"))
        _goes(lockstep, "A")  # the commit
        _to(lockstep, "B", HOLD)
        _to(lockstep, "A", WAIT)
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, "B")
        return tuple([f"{event.operation} at {event.at}" for event in _goes(lockstep, "A").events])


def test_a_fused_finish_goes_by_the_time_after_its_wait() -> None:
    """It has its lock then. A finish at the time from before is found, although the next lease is later."""
    assert _finishes_after_a_wait(guarded) == ("finish at 3000", "lease at 3000", "start at 3000")
    with pytest.raises(Divergence) as found:
        _finishes_after_a_wait(transactions(ReadsTheTimeBeforeItsLock))
    assert found.value.finding.expected == BEFORE_ITS_LOCK


def test_a_fused_worker_may_wait_for_the_budget_after_its_finish_and_find_nothing() -> None:
    """The budget is spent, so its look for new jobs reads no time: its finish is from before the wait."""
    with Lockstep(FUSED) as lockstep:
        _goes(lockstep, PRODUCER, Enqueue(key="k1"))
        _goes(lockstep, "A")
        lockstep.apply(Step(worker="A"))
        _goes(lockstep, "A", Fail(worker="A"))
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, "A")  # the retry
        _goes(lockstep, "A")  # the commit
        _to(lockstep, "B", "LOCK")
        _to(lockstep, "A", WAIT)
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, "B")
        assert [(event.operation, event.at) for event in _goes(lockstep, "A").events] == [("finish", 1_000)]


def _leases_after_a_wait(fault: Fault) -> tuple[str, ...]:
    """A's finish is done, its lease waits for the budget, and meanwhile a job is added. What A wrote."""
    with Lockstep(FUSED, fault) as lockstep:
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, PRODUCER, Enqueue(key="k1"))
        _goes(lockstep, "A")
        lockstep.apply(Step(worker="A"))
        _goes(lockstep, "A")  # the commit
        _to(lockstep, "B", "LOCK")
        _to(lockstep, "A", WAIT)
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, "B")
        _goes(lockstep, PRODUCER, Enqueue(key="k2"))
        return tuple([f"{event.operation} at {event.at}" for event in _goes(lockstep, "A").events])


def test_a_fused_lease_goes_by_the_time_after_its_wait_for_the_budget() -> None:
    """The time of the finish before it is from before the wait: such a lease is found."""
    assert _leases_after_a_wait(guarded) == ("finish at 1000", "lease at 2000", "start at 2000")
    with pytest.raises(Divergence):
        _leases_after_a_wait(transactions(KeepsTheTimeOfItsFinish))


def test_a_lease_that_begins_and_ends_after_the_look_is_not_recovered() -> None:
    """A reconciliation looks, then reads its time. What is leased and runs out between is not its own."""
    with Lockstep(SCOPE, world=world_of(SCOPE, guarded)) as lockstep:
        for key in ("k1", "k2"):
            _goes(lockstep, PRODUCER, Enqueue(key=key))
        _goes(lockstep, "A")
        lockstep.apply(Crash(worker="A"))
        lockstep.apply(Tick(seconds=1))
        for action in (Reconcile(), Step(worker=RECONCILER), Step(worker=RECONCILER)):
            looked = lockstep.apply(action)
        assert looked.moved.skip_locked is not None
        _goes(lockstep, "B")
        lockstep.apply(Tick(seconds=1))
        _goes(lockstep, RECONCILER)
        assert [one.status for one in lockstep.durable.executions] == ["ABORTED", "LEASED"]
