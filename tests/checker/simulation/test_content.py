"""The content of a store: any content can be restored, and a system that cannot be restored is refused."""

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
def test_any_state_of_a_store_can_be_restored_from_any_other(granularity: Granularity) -> None:
    """Many states are restored from each other: with their rows and last ids, and without audit rows."""
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
        world.content.write_pending()
        assert world.database.read() == there.system.content
        assert list(world.database.observer.audit()) == []
    assert len({there.system.content for there in met}) > 5
    walker.close()


class ReadsAudit(Queue):
    """Reads its own audit before it leases."""

    def lease(self, worker: str) -> Lease | None:
        """Read the audit, then lease."""
        list(self.store.audit())
        return super().lease(worker)


class Counting(Fence):
    """Counts its calls in memory."""

    asked = 0

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """Count the call, and decide as usual."""
        object.__setattr__(self, "asked", self.asked + 1)
        return super().refusal(execution, now)


@frozen
class Remembering(CommitBoundary):
    """Keeps a list of its commits in memory."""

    done: list[int]

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Commit, and add to the list."""
        self.done.append(held.id)
        return super().commit(store, fence, held, value)


def _reads_audit(queue: Queue) -> Queue:
    return ReadsAudit(store=queue.store, policies=queue.policies, lease_seconds=queue.lease_seconds)


def _counting(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, fence=Counting()))


def _remembering(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, commit=Remembering([])))


@pytest.mark.parametrize("fault", [_reads_audit, _counting, _remembering])
def test_a_system_that_cannot_be_restored_is_refused(fault: Fault) -> None:
    """The explorer refuses a system that reads its audit or keeps something in memory between operations."""
    proof = Proof(scope=Scope(workers=1), bounds=Bounds(jobs=2), fault=fault)
    with pytest.raises(Unexplorable):
        prove(proof)


def test_two_jobs_may_have_exchanged_their_keys() -> None:
    """Two jobs with exchanged keys can be restored, though no order of writes keeps all constraints."""
    bounds = Bounds(jobs=2, retries=1, crashes=1)
    proof = Proof(
        scope=Scope(workers=1, granularity=Granularity.STATEMENT), bounds=bounds, fault=guarded, depth_max=40
    )
    answer = prove(proof, limits=Limits(states_max=2_500))
    assert (answer.finding, answer.counts.states > 2_500 or answer.complete) == (None, True)
