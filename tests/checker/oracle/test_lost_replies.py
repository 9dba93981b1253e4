"""The reply to a COMMIT is lost, and the worker lives on: the model and the queue do the same.

No other action finds the breakage here: a crash after a COMMIT leaves no worker that could misread the
missing reply.
"""

from contextlib import suppress

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_REPLIES, OF_REPLY
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.minimise import bounds_of
from failure_modes.checker.subject.worlds import world_of
from model.actions import (
    PRODUCER,
    RECONCILER,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    Step,
    Tick,
)
from model.answers import Accepted
from model.events import EventKind, Reason
from model.state import Phase
from model.step import step
from system.policies import Accepted as PolicyAccepted
from system.queue import Queue
from system.store import Execution, StoreUnavailable
from tests.checker.oracle.test_breakages import queues
from tests.checker.searching import first_finding

A = Step(worker="A")
LOST = LostReply(worker="A")
K1 = Enqueue(key="k1")
STRATEGY = UNRESTRICTED.weighted("LostReply", 2)


class AsksUnderAnotherKey(Queue):
    """A producer that gets no reply enqueues its request again by itself, under a new key."""

    def accept(self, payload: object, *, key: str | None = None, actor: str = "producer") -> PolicyAccepted:
        """Ask again at once."""
        try:
            return super().accept(payload, key=key, actor=actor)
        except StoreUnavailable:
            return super().accept(payload, key=f"{key}-again", actor=actor)


class FailsOnce(Queue):
    """A failure without a reply is not repeated, and is taken for done."""

    def fail(self, held: Execution, *, detail: str, by_handler: bool = True) -> bool:
        """Say yes where the queue does not know."""
        with suppress(StoreUnavailable):
            return super().fail(held, detail=detail, by_handler=by_handler)
        return True


class StopsAtSilence(Queue):
    """A heartbeat without a reply is answered as a refused one, so that the handler gives up."""

    def heartbeat(self, held: Execution) -> bool:
        """Say no where the queue does not know."""
        with suppress(StoreUnavailable):
            return super().heartbeat(held)
        return False


class TakesSilenceForNo(Queue):
    """A commit whose reply was lost is answered as a refused one."""

    def commit_json(self, held: Execution, effect_json: str) -> bool:
        """Say no where the queue does not know."""
        with suppress(StoreUnavailable):
            return super().commit_json(held, effect_json)
        return False


def _found(fault: Fault, granularity: Granularity, *, lost: bool, examples: int) -> Finding | None:
    return first_finding(
        Scope(granularity=granularity).with_each_tick(),
        STRATEGY if lost else UNRESTRICTED,
        fault,
        seed=7,
        examples=examples,
    )


@pytest.mark.parametrize("granularity", Granularity)
def test_a_worker_repeats_a_commit_without_a_reply(granularity: Granularity) -> None:
    """The repeated commit is refused as a second one, and the worker finishes its job all the same."""
    with Lockstep(Scope(granularity=granularity)) as lockstep:
        lockstep.apply(K1)
        for _ in range(60):
            assert lockstep.reference.state is not None
            worker = lockstep.reference.state.worker("A")
            assert worker is not None
            first = worker.phase is Phase.RUNNING and not lockstep.ledger.sometimes[OF_REPLY]
            helper = Step(worker=PRODUCER)
            if lockstep.possible(helper):
                lockstep.apply(helper)
            elif lockstep.possible(action := LOST if first and lockstep.possible(LOST) else A):
                lockstep.apply(action)
        events = tuple(lockstep.ledger.events)
        lockstep.finish()
        assert lockstep.ledger.sometimes[OF_REPLY] == 1
    kinds = [(event.event, event.reason) for event in events]
    assert kinds[-3:] == [
        (EventKind.COMMITTED, None),
        (EventKind.REFUSED, Reason.ALREADY_COMMITTED),
        (EventKind.FINISHED, None),
    ]


def test_a_worker_that_repeats_its_commit_is_outside_its_handler() -> None:
    """Neither a failure nor a heartbeat of the handler can happen then, in the queue or in the model."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, LOST):
            lockstep.apply(action)
        assert lockstep.reference.state is not None
        for impossible in (Fail(worker="A"), Heartbeat(worker="A")):
            assert not lockstep.possible(impossible)
            assert step(lockstep.reference.state, impossible)[1].rejected is not None


def _lost(of: str) -> LostReply:
    return LostReply(worker="A", of=of)


def test_only_a_worker_at_the_begin_of_an_operation_loses_a_reply() -> None:
    """Inside a transaction nothing new is begun; the producer and the reconciler have no such action."""
    with Lockstep(Scope(granularity=Granularity.STATEMENT)) as lockstep:
        assert lockstep.possible(LOST)
        lockstep.apply(A)
        lockstep.apply(A)
        assert not lockstep.possible(LOST)
        for name in (PRODUCER, RECONCILER):
            assert not lockstep.possible(LostReply(worker=name))


@pytest.mark.parametrize("store", StoreKind)
def test_a_worker_repeats_a_heartbeat_and_a_failure_without_a_reply(store: StoreKind) -> None:
    """A repeated heartbeat extends the lease again; a repeated failure finds its execution aborted."""
    scope = Scope(store=store)
    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        for action in (K1, A, A, _lost("Heartbeat"), A, _lost("Fail")):
            lockstep.apply(action)
        assert not lockstep.possible(_lost("Fail"))
        (event,) = lockstep.apply(A).events
        assert (event.event, event.reason) == (EventKind.REFUSED, Reason.LEASE_LOST)
        kinds = [event.event for event in lockstep.ledger.events]
        assert kinds == ["enqueued", "leased", "started", "extended", "extended", "failed", "refused"]
        assert lockstep.rests("A")
        lockstep.finish()


@pytest.mark.parametrize("store", StoreKind)
def test_an_enqueue_without_a_reply_is_a_job(store: StoreKind) -> None:
    """The producer is told nothing, asks again under the same key, and gets the job that is there."""
    scope = Scope(store=store)
    with Lockstep(scope, world=world_of(scope, guarded)) as lockstep:
        lost = LostReply(worker=PRODUCER, of="Enqueue", key="k1")
        assert lockstep.apply(lost).answers == ()
        assert lockstep.ledger.accepted_keys == ("k1",)
        (answers,) = lockstep.apply(K1).answers
        assert answers.system.value == Accepted(job=1, existed=True)
        lockstep.apply(LostReply(worker=RECONCILER, of="Reconcile"))
        lockstep.finish()
        assert lockstep.ledger.sometimes[OF_REPLIES["Enqueue"]] == 1


def test_a_reconciliation_without_a_reply_ends_all_that_it_saw() -> None:
    """Also where it pauses within its statement: a lease would take one job of those, and it takes all."""
    at_server = Scope(store=StoreKind.POSTGRESQL, granularity=Granularity.STATEMENT, within_statements=True)
    with Lockstep(at_server, world=world_of(at_server, guarded)) as lockstep:
        for key, worker in (("k1", "A"), ("k2", "B")):
            lockstep.apply(Enqueue(key=key))
            while lockstep.possible(Step(worker=PRODUCER)):
                lockstep.apply(Step(worker=PRODUCER))
            while not lockstep.apply(Step(worker=worker)).committed:
                pass
            lockstep.apply(Crash(worker=worker))
        lockstep.apply(Tick(seconds=30))
        lockstep.apply(LostReply(worker=RECONCILER, of="Reconcile"))
        while lockstep.possible(Step(worker=RECONCILER)):
            lockstep.apply(Step(worker=RECONCILER))
        assert [one.status for one in lockstep.durable.executions] == ["ABORTED", "ABORTED"]
        lockstep.finish()


def test_a_worker_whose_release_has_no_reply_ends_all_the_same() -> None:
    """It has been told to stop, so it repeats nothing. The job is back in the queue."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, Hang(worker="A"), _lost("Release")):
            record = lockstep.apply(action)
        assert [event.event for event in record.events] == [EventKind.FAILED]
        assert lockstep.rests("A")
        lockstep.finish()


def test_a_reply_is_lost_of_what_can_happen() -> None:
    """A loss names one of the operations, with its process; a key belongs to an enqueue alone."""
    for wrong in ({"of": "Crash"}, {"of": "Enqueue"}, {"key": "k1"}, {"of": "Reconcile"}):
        with pytest.raises(ValueError, match=r"'of' must|'key' belongs|'worker' must"):
            LostReply(worker="A", **wrong)
    actions = (LostReply(worker=PRODUCER, of="Enqueue", key="k7"), LostReply(worker="B", of="Fail"))
    assert canonical(actions) == (evolve(actions[0], key="k1"), evolve(actions[1], worker="A"))
    assert bounds_of(actions) == Bounds(jobs=1, failures=1, lost_replies=2)


@pytest.mark.parametrize("granularity", Granularity)
def test_the_guarded_system_survives_lost_replies(granularity: Granularity) -> None:
    """A search that loses replies finds nothing in the guarded system."""
    assert _found(guarded, granularity, lost=True, examples=30) is None


def test_a_silence_that_is_taken_for_a_no_is_seen_only_with_lost_replies() -> None:
    """The search without lost replies misses the breakage in as many examples."""
    fault = queues(TakesSilenceForNo)
    assert _found(fault, Granularity.TRANSACTION, lost=False, examples=60) is None
    found = _found(fault, Granularity.TRANSACTION, lost=True, examples=60)
    assert found is not None
    assert found.invariant is None


@pytest.mark.parametrize("kind", [AsksUnderAnotherKey, FailsOnce, StopsAtSilence])
def test_each_operation_that_misreads_a_silence_is_seen_only_with_lost_replies(kind: type[Queue]) -> None:
    """A producer, a failure and a heartbeat each have a breakage that the other losses do not show."""
    fault = queues(kind)
    assert _found(fault, Granularity.TRANSACTION, lost=False, examples=60) is None
    assert _found(fault, Granularity.TRANSACTION, lost=True, examples=60) is not None


@pytest.mark.parametrize(
    "store", [StoreKind.SQLITE, pytest.param(StoreKind.POSTGRESQL, marks=pytest.mark.slow)]
)
def test_a_proof_of_each_lost_reply_is_complete(store: StoreKind) -> None:
    """Each reachable state of this scope holds, and there are as many on both stores."""
    bounds = Bounds(jobs=1, ticks=1, retries=1, failures=1, heartbeats=1, lost_replies=1)
    world_of(Scope(store=store), guarded).close()
    result = prove(Proof(scope=Scope(store=store), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 1472)


def test_a_proof_with_lost_replies_is_complete() -> None:
    """Each reachable state of this scope holds; a proof without the bound has fewer states."""
    bounds = Bounds(jobs=1, ticks=1, crashes=1, lost_replies=2)
    result = prove(Proof(scope=Scope(), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 702)


def test_the_proof_has_a_shortest_trace_of_the_breakage() -> None:
    """Enqueue, lease, start, and the lost reply: an answer is given where none can be."""
    bounds = Bounds(jobs=1, ticks=1, crashes=1, lost_replies=1)
    result = prove(Proof(scope=Scope(), bounds=bounds, fault=queues(TakesSilenceForNo)))
    assert result.finding is not None
    assert LOST in result.actions
    assert len(result.actions) == 4
