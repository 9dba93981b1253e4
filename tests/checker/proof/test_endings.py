"""Endings: each state is judged in every order of the workers, and a recovery without an end is found."""

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof import endings
from failure_modes.checker.proof.endings import Endings
from failure_modes.checker.proof.nodes import Node, Nodes
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.successors import Successors
from system.audit import EventKind, Operation
from system.policies import CommitBoundary, Fence
from system.policies.reconcile import Reconciled, Reconciliation
from system.policies.retry import Retry
from system.queue import Queue
from system.store import Execution, Status, Store


@frozen
class TwiceAfter(CommitBoundary):
    """The second attempt writes the effect twice, if the first one was of the same worker, or of another."""

    same: bool = True

    def commit(self, store: Store, fence: Fence, held: Execution, value: str) -> bool:
        """Commit, and write once more where the worker is the one that the fault is for."""
        del fence
        with store.transaction() as tx:
            execution = tx.execution(held.id)
            second = execution.attempt > 1
            same = second and tx.execution(held.id - 1).worker == execution.worker
            for _ in range(2 if second and same == self.same else 1):
                tx.add_effect(job_id=execution.job_id, execution_id=execution.id, value=value)
            to, actor = Status.COMMITTED, execution.worker
            tx.move(execution, to=to, event=EventKind.COMMITTED, operation=Operation.COMMIT, actor=actor)
            tx.set_available(execution.job_id, None)
            return True


@frozen(kw_only=True)
class Flips(Reconciliation):
    """Each run hides the first job if it is due, and makes it due if it is hidden."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Flip the due time, and end nothing."""
        del retry, actor
        with store.transaction() as tx:
            due = tx.next_available(retries=True)
            tx.set_available(1, tx.now if due is None else tx.now + 1)
        return Reconciled(finished=0, aborted=0)


def _twice_after(*, same: bool) -> Fault:
    def fault(queue: Queue) -> Queue:
        return evolve(queue, policies=evolve(queue.policies, commit=TwiceAfter(same)))

    return fault


def _flips(queue: Queue) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, reconcile=Flips()))


def _shortest(*, same: bool, symmetry: bool = True) -> int | None:
    """How short the fault is found; None if it is not. Time passes in the liveness run only."""
    proof = Proof(
        scope=Scope(workers=2, constraints=False),
        bounds=Bounds(jobs=1, crashes=1),
        fault=_twice_after(same=same),
        reductions=Reductions(symmetry=symmetry),
    )
    result = prove(proof)
    assert result.complete
    return result.shortest


@pytest.mark.parametrize("symmetry", [True, False], ids=["symmetry", "apart"])
@pytest.mark.parametrize("same", [True, False], ids=["the same worker", "another worker"])
def test_an_ending_that_depends_on_the_order_of_workers_is_found(*, same: bool, symmetry: bool) -> None:
    """After an enqueue, a lease and a crash, the order decides which worker leases the job again."""
    assert _shortest(same=same, symmetry=symmetry) == 3


def test_endings_that_try_one_order_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If each state is judged in the plain order only, the fault of another worker is missed."""
    begin = Endings.__init__

    def in_one_order(self: Endings, successors: Successors, graph: Nodes) -> None:
        begin(self, successors, graph)
        self._orders = self._orders[:1]

    monkeypatch.setattr(Endings, "__init__", in_one_order)
    assert (_shortest(same=True), _shortest(same=False)) == (3, None)


def test_endings_that_forget_the_order_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a good end is remembered without its order, it stands for the bad end in the other order."""

    def without_order(node: Node, order: tuple[str, ...]) -> bytes:
        del order
        return node.base

    monkeypatch.setattr(endings, "_with_order", without_order)
    assert (_shortest(same=True), _shortest(same=False)) == (3, None)


def test_a_recovery_that_goes_round_in_a_circle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found after the enqueue alone, by the circle, and not by a bound on the moves."""
    monkeypatch.setattr(endings, "MOVES_MAX", 1_000_000)
    monkeypatch.setattr(endings, "ROUNDS_MAX", 1_000_000)
    target = Target("INV_004", ("INV_003", "INV_007", "INV_008"))
    proof = Proof(scope=Scope(workers=2), bounds=Bounds(jobs=1), fault=_flips, target=target)
    result = prove(proof)
    assert (result.complete, result.shortest) == (True, 1)
