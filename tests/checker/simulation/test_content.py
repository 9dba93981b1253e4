"""The content of a store: put back whatever was there, and refuse what cannot be put back."""

import random

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.content import Unexplorable
from system.audit import Reason
from system.policies import CommitBoundary, Fence
from system.policies.lease import Lease
from system.queue import Queue
from system.store import Execution, Store


@pytest.mark.parametrize("granularity", list(Granularity))
def test_a_store_can_be_put_back_to_any_state_from_any_other(granularity: Granularity) -> None:
    """From each of many states to each other: the rows, the ids given so far, and no audit row."""
    scope = Scope(workers=2, granularity=granularity)
    alphabet = Alphabet(scope, Bounds(jobs=3, ticks=3, crashes=2, failures=1, reconciles=2))
    walker = Successors(scope, guarded, None)
    chance, met = random.Random(3), []
    for _ in range(12):
        there, spent = walker.start, NOTHING_SPENT
        for _ in range(60):
            action, spent = chance.choice(alphabet.possible(there.system.processes, spent))
            change = walker.step(there, action)
            assert not isinstance(change, DeadEnd)
            there = walker.after(there, action, change)
        met.append(there)
    world = walker.lockstep.world
    for _ in range(150):
        there = chance.choice(met)
        world.restore(there.system.content, there.system.now, there.system.processes)
        assert world.content.now() == there.system.content
        assert list(world.database.observer.audit()) == []
    assert len({there.system.content for there in met}) > 5
    walker.close()


class ReadsAudit(Queue):
    """Looks for its own traces before it leases."""

    def lease(self, worker: str) -> Lease | None:
        """Count what was done before."""
        list(self.store.audit())
        return super().lease(worker)


class Counting(Fence):
    """Counts how often it was asked, in memory."""

    asked = 0

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """Count, and judge as ever."""
        object.__setattr__(self, "asked", self.asked + 1)
        return super().refusal(execution, now)


@frozen
class Remembering(CommitBoundary):
    """Keeps a list of what it committed, in memory."""

    done: list[int]

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Commit, and remember."""
        self.done.append(held.id)
        return super().commit(store, fence, held, value)


def _reads_audit(queue: Queue) -> Queue:
    return ReadsAudit(store=queue.store, policies=queue.policies, lease_seconds=queue.lease_seconds)


def _counting(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, fence=Counting()))


def _remembering(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, commit=Remembering([])))


@pytest.mark.parametrize("fault", [_reads_audit, _counting, _remembering])
def test_a_system_that_cannot_be_put_back_is_refused(fault: Fault) -> None:
    """One that reads its audit, or keeps something in memory from one operation to the next."""
    proof = Proof(scope=Scope(workers=1), bounds=Bounds(jobs=2), fault=fault)
    with pytest.raises(Unexplorable):
        prove(proof)


def test_two_jobs_may_have_exchanged_their_keys() -> None:
    """A producer that dies half way enqueues k1 after k2: then no order of rows keeps all constraints."""
    bounds = Bounds(jobs=2, retries=1, crashes=1)
    proof = Proof(
        scope=Scope(workers=1, granularity=Granularity.STATEMENT), bounds=bounds, fault=guarded, depth_max=40
    )
    answer = prove(proof, limits=Limits(states_max=2_500))
    assert (answer.finding, answer.counts.states > 2_500 or answer.complete) == (None, True)
