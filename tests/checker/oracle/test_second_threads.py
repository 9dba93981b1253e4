"""A second thread of a worker sends heartbeats: the model and the queue do the same.

No other action finds the breakages here: a handler that sends its heartbeats itself has ended before its
worker commits, and begins none while another transaction of its process is open.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from attrs import evolve, field, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_THREAD
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.report.pages.bars import MODEL
from failure_modes.checker.report.pages.story import side_of
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.subject.worlds import NoWorld, world_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.scope_json import scope_from_json, scope_to_json
from failure_modes.checker.traces.trace import Breaks, Trace
from model.actions import PRODUCER, Crash, Enqueue, LostReply, Release, Step, ThreadHeartbeat, thread_of
from model.events import EventKind, Failure
from model.step import step
from system.audit import Operation
from system.policies.lease import Lease
from system.queue import Queue
from system.store import Execution, Status, Store, Transaction
from tests.checker.commands import invoke
from tests.checker.oracle.test_breakages import queues
from tests.checker.searching import first_finding

A = Step(worker="A")
BEGIN = ThreadHeartbeat(worker="A")
SEND, UNHEARD = Step(worker=thread_of("A")), LostReply(worker=thread_of("A"))
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
STRATEGY = UNRESTRICTED.weighted("ThreadHeartbeat", 3)


class ExtendsCommitted(Queue):
    """A heartbeat extends the lease of an execution that is committed, too."""

    def _refused(self, tx: Transaction, execution: Execution, operation: Operation) -> bool:
        """Never refuse the heartbeat of a committed execution."""
        if operation is Operation.HEARTBEAT and execution.status is Status.COMMITTED:
            return False
        return super()._refused(tx, execution, operation)


class _Last:
    """The lease that a process took last, whenever it is read."""

    def __init__(self) -> None:
        self.execution: Execution | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.execution, name)


@frozen(kw_only=True)
class ExtendsTheLast(Queue):
    """A heartbeat reads in its transaction which lease the process took last, and extends that one."""

    _last: _Last = field(factory=_Last)

    def lease(self, worker: str) -> Lease | None:
        """Remember the lease."""
        lease = super().lease(worker)
        if lease is not None:
            self._last.execution = lease.execution
        return lease

    def heartbeat(self, held: Execution) -> bool:
        """Extend the lease that was taken last."""
        del held
        return super().heartbeat(cast(Execution, self._last))


class OneTransaction:
    """A store of which each process has one transaction: who finds it open joins it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: Transaction | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """The transaction that is open, or a new one."""
        if self._open is not None:
            yield self._open
            return
        with self._store.transaction() as tx:
            self._open = tx
            try:
                yield tx
            finally:
                self._open = None


def one_transaction(queue: Queue) -> Queue:
    """The queue over such a store."""
    return evolve(queue, store=OneTransaction(queue.store))


BREAKAGES = (
    pytest.param(queues(ExtendsCommitted), Granularity.TRANSACTION, 40, id="extends what is committed"),
    pytest.param(queues(ExtendsTheLast), Granularity.TRANSACTION, 40, id="extends the last"),
    pytest.param(one_transaction, Granularity.STATEMENT, 40, id="joins an open transaction"),
)


def _found(fault: Fault, granularity: Granularity, *, threads: bool, examples: int) -> Finding | None:
    return first_finding(
        Scope(granularity=granularity, threads=threads),
        STRATEGY if threads else UNRESTRICTED,
        fault,
        seed=1,
        examples=examples,
    )


@pytest.mark.parametrize(("fault", "granularity", "examples"), BREAKAGES)
def test_a_breakage_is_seen_only_with_second_threads(
    fault: Fault, granularity: Granularity, examples: int
) -> None:
    """The search without second threads misses the breakage in as many examples."""
    assert _found(fault, granularity, threads=True, examples=examples) is not None
    assert _found(fault, granularity, threads=False, examples=examples) is None


@pytest.mark.parametrize("granularity", Granularity)
def test_the_guarded_system_survives_second_threads(granularity: Granularity) -> None:
    """A search with second threads finds nothing in the guarded system."""
    assert _found(guarded, granularity, threads=True, examples=30) is None


def test_a_heartbeat_that_comes_after_the_commit_is_refused() -> None:
    """The thread has begun its heartbeat in the handler; its worker is done before the transaction begins."""
    with Lockstep(Scope(threads=True)) as lockstep:
        for action in (K1, A, A, BEGIN, A, A, K2, A, A):
            lockstep.apply(action)
        late = lockstep.apply(SEND)
        assert [(event.event, event.execution) for event in late.events] == [(EventKind.REFUSED, 1)]
        assert lockstep.ledger.sometimes[OF_THREAD[1]] == 1
        lockstep.finish()


def test_a_heartbeat_of_the_second_thread_extends_the_lease_of_a_running_handler() -> None:
    """The handler goes on, and the thread may send one heartbeat after another."""
    with Lockstep(Scope(threads=True)) as lockstep:
        for action in (K1, A, A, BEGIN, SEND, BEGIN, SEND):
            lockstep.apply(action)
        assert lockstep.ledger.sometimes[OF_THREAD[0]] == 2
        lockstep.finish()


def test_a_crash_kills_both_threads() -> None:
    """Nothing is sent after the crash, and the lock of the second thread is released."""
    with Lockstep(Scope(threads=True, granularity=Granularity.STATEMENT)) as lockstep:
        lockstep.apply(K1)
        while not lockstep.possible(BEGIN):
            lockstep.apply(A if lockstep.rests(PRODUCER) else Step(worker=PRODUCER))
        for action in (BEGIN, SEND, SEND):
            lockstep.apply(action)
        assert lockstep.world.processes[thread_of("A")].in_transaction
        blocked = lockstep.apply(Step(worker="B"))
        assert blocked.blocked
        lockstep.apply(Crash(worker="A"))
        assert not lockstep.possible(SEND)
        assert lockstep.possible(Step(worker="B"))
        lockstep.finish()


def test_a_release_does_not_wait_for_the_second_thread() -> None:
    """The handler is broken off while the other thread is inside its heartbeat: it dies with the process."""
    with Lockstep(Scope(threads=True)) as lockstep:
        for action in (K1, A, A, BEGIN):
            lockstep.apply(action)
        (event,) = lockstep.apply(Release(worker="A")).events
        assert (event.event, event.detail) == (EventKind.FAILED, Failure.RELEASED)
        assert not lockstep.possible(SEND)
        lockstep.finish()


def test_only_a_thread_beside_a_running_handler_begins_a_heartbeat() -> None:
    """Nothing is begun before the handler, after it, or twice; and no thread dies alone."""
    with Lockstep(Scope(threads=True)) as lockstep:
        for action in (K1, A, A, BEGIN):
            assert lockstep.possible(BEGIN) is (action is BEGIN)
            lockstep.apply(action)
        state = lockstep.reference.state
        assert state is not None
        assert not lockstep.possible(BEGIN)
        assert step(state, BEGIN)[1].rejected is not None
        assert not lockstep.possible(Crash(worker=thread_of("A")))
        lockstep.apply(A)
        lockstep.apply(SEND)
        assert not lockstep.possible(BEGIN)
        assert not lockstep.possible(SEND)
        assert lockstep.reference.state is not None
        for impossible in (BEGIN, SEND):
            assert step(lockstep.reference.state, impossible)[1].rejected is not None


def test_a_proof_with_second_threads_is_complete() -> None:
    """Each reachable state of this scope holds."""
    bounds = Bounds(jobs=1, ticks=1, crashes=1, thread_heartbeats=2)
    result = prove(Proof(scope=Scope(workers=1, threads=True), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 164)


def test_the_proof_has_a_shortest_trace_of_the_breakage() -> None:
    """Enqueue, lease, start, begin the heartbeat, commit, and send it."""
    bounds = Bounds(jobs=1, crashes=1, thread_heartbeats=1)
    result = prove(Proof(scope=Scope(threads=True), bounds=bounds, fault=queues(ExtendsCommitted)))
    assert result.finding is not None
    assert result.actions == (K1, A, A, BEGIN, A, SEND)


def test_second_threads_need_sqlite() -> None:
    """On PostgreSQL, and where power may be lost, there is no such world; elsewhere no such action."""
    with pytest.raises(NoWorld, match="sqlite only"):
        world_of(Scope(threads=True, store=StoreKind.POSTGRESQL), guarded)
    with pytest.raises(NoWorld, match="without a loss of power"):
        world_of(Scope(threads=True, power_loss=True), guarded)
    with pytest.raises(ValueError, match="no second threads"):
        STRATEGY.alphabet(Scope())
    with pytest.raises(ValueError, match="in a scope with threads"):
        Alphabet(Scope(), Bounds(thread_heartbeats=1))


def test_a_trace_of_a_scope_with_second_threads_is_read_back() -> None:
    """The scope is written with its threads, and canonical names keep each thread with its worker."""
    scope = Scope(threads=True)
    assert scope_from_json(scope_to_json(scope)) == scope
    send = Step(worker=thread_of("B"))
    of_b = (K1, Step(worker="B"), ThreadHeartbeat(worker="B"), LostReply(worker=send.worker), send)
    assert canonical(of_b) == (K1, A, BEGIN, UNHEARD, SEND)


def test_a_page_has_a_lane_for_the_second_thread() -> None:
    """The model and the system are said to have done the same, and a crash ends both lanes."""
    actions = (K1, A, A, BEGIN, A, SEND, Crash(worker="A"))
    trace = Trace(
        failure_mode=None,
        scope=Scope(threads=True),
        breaks=Breaks(invariant=None, step=None),
        why="an example",
        actions=actions,
    )
    replayed = replay(trace)
    assert rendered(replayed).count("begin a heartbeat") == 2
    side = side_of(replayed, label="guarded", key="g", to_end=False)
    assert side.lanes == (PRODUCER, "A", thread_of("A"), MODEL)
    assert [row.agrees for row in side.rows] == ["same"] * len(actions)
    assert [line.kind for line in side.lines if side.lanes[line.lane] == thread_of("A")][-1] == "dead"


def test_the_commands_know_the_action() -> None:
    """A search with a weight for it, and a proof that counts it, have second threads."""
    explored = invoke("explore", "--weight", "ThreadHeartbeat=3", "--examples", "10")
    assert OF_THREAD[0] in explored.output
    proved = invoke("prove", "--jobs", "1", "--ticks", "0", "--crashes", "0", "--thread-heartbeats", "1")
    assert "heartbeat of a second thread" in proved.output
    assert proved.exit_code == 0
