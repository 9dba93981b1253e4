"""A second thread has no reply to its heartbeat: it repeats the heartbeat while its handler runs."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from model.actions import PRODUCER, Step
from model.events import EventKind
from system.queue import Queue
from system.store import Execution, StoreUnavailable
from tests.checker.oracle.test_breakages import queues
from tests.checker.oracle.test_second_threads import BEGIN, K1, SEND, STRATEGY, UNHEARD, A, ExtendsCommitted
from tests.checker.searching import first_finding


class RepeatsUnfenced(Queue):
    """A heartbeat without a reply is repeated at once, and may extend a committed execution then."""

    def heartbeat(self, held: Execution) -> bool:
        """Take the first try for a proof that the lease is live."""
        try:
            return super().heartbeat(held)
        except StoreUnavailable:
            return ExtendsCommitted(store=self.store, policies=self.policies).heartbeat(held)


def test_only_a_lost_reply_of_a_second_thread_shows_a_repeated_heartbeat_that_is_not_fenced() -> None:
    """A proof without one of the two finds nothing; with both it has the shortest trace."""
    one_each = Bounds(jobs=1, heartbeats=1, thread_heartbeats=1, lost_replies=1)
    for bounds in (evolve(one_each, lost_replies=0), evolve(one_each, thread_heartbeats=0), one_each):
        scope = Scope(workers=1, threads=True)
        result = prove(Proof(scope=scope, bounds=bounds, fault=queues(RepeatsUnfenced)))
        assert (result.finding is None) is (bounds != one_each)
    assert UNHEARD in result.actions
    assert len(result.actions) == 7


@pytest.mark.parametrize("granularity", Granularity)
def test_the_guarded_system_survives_lost_replies_of_second_threads(granularity: Granularity) -> None:
    """A search that loses them finds nothing in the guarded system."""
    scope, strategy = Scope(granularity=granularity, threads=True), STRATEGY.weighted("LostReply", 3)
    assert first_finding(scope, strategy, guarded, seed=1, examples=20) is None


def test_a_thread_repeats_a_heartbeat_without_a_reply_while_its_handler_runs() -> None:
    """Its handler has returned before the second loss, so the thread ends."""
    with Lockstep(Scope(threads=True)) as lockstep:
        for action in (K1, A, A):
            lockstep.apply(action)
            assert not lockstep.possible(UNHEARD)
        lockstep.apply(BEGIN)
        assert lockstep.apply(UNHEARD).events[0].event == EventKind.EXTENDED
        lockstep.apply(A)
        assert lockstep.apply(UNHEARD).events[0].event == EventKind.REFUSED
        assert not lockstep.possible(SEND)
        lockstep.finish()


def test_a_handler_may_return_while_its_second_thread_is_in_a_transaction() -> None:
    """If the reply to that transaction is lost, the thread ends, and the next handler has a fresh one."""
    with Lockstep(Scope(threads=True, granularity=Granularity.STATEMENT)) as lockstep:
        lockstep.apply(K1)
        while not lockstep.possible(BEGIN):
            lockstep.apply(A if lockstep.rests(PRODUCER) else Step(worker=PRODUCER))
        for action in (BEGIN, UNHEARD, SEND, A):
            lockstep.apply(action)
        while not lockstep.apply(SEND).committed:
            pass
        assert not lockstep.possible(SEND)
        lockstep.finish()


@pytest.mark.parametrize(("ticks", "states"), [(0, 39), pytest.param(1, 237, marks=pytest.mark.slow)])
def test_a_proof_with_lost_replies_of_second_threads_is_complete(ticks: int, states: int) -> None:
    """Each reachable state of this scope holds."""
    bounds = Bounds(jobs=1, ticks=ticks, thread_heartbeats=1, lost_replies=1)
    result = prove(Proof(scope=Scope(workers=1, threads=True), bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, states)
