"""A found trace is made as short as it can be, and not only as short as small changes make it."""

from typing import cast

import pytest
from attrs import define, evolve

from failure_modes.checker.experiment.scope import Fault
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.search import minimise as minimising
from failure_modes.checker.search.edits import minimise
from failure_modes.checker.search.minimise import shrink
from model.actions import RECONCILER, Action, Enqueue, Reconcile, Step, Tick
from system.policies import Reconciliation, Retry
from system.policies.reconcile import Reconciled
from system.queue import Queue
from system.store import Store
from tests.checker.commands import invoke, quickest
from tests.checker.torn_recovery import TORN_RECOVERY

MODE = TORN_RECOVERY
SCOPE = MODE.scope
A, B = Step(worker="A"), Step(worker="B")
ABORTS_A_COMMIT: tuple[Action, ...] = (
    Enqueue(key="k1"),
    A,
    A,
    Reconcile(),
    A,
    Tick(seconds=30),
    Step(worker=RECONCILER),
)
"""A commits between recovery's look and its act: 7 steps, and none of them can be left out."""

ABORTS_TWICE: tuple[Action, ...] = (
    *ABORTS_A_COMMIT[:2],
    Tick(seconds=30),
    Reconcile(),
    B,
    ABORTS_A_COMMIT[-1],
)
"""B aborts the execution first: 6 steps, with no more of anything, in another order and by another worker."""


@define
class Counts:
    """A recovery that keeps something in memory, so that no explorer can go back to where it stood."""

    inner: Reconciliation
    runs: int = 0

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Count the runs."""
        self.runs += 1
        return self.inner.run(store, retry, actor)


def counting(queue: Queue) -> Queue:
    """The broken queue with a recovery that counts."""
    broken = MODE.fault(queue)
    counts = cast(Reconciliation, Counts(broken.policies.reconcile))
    return evolve(broken, policies=evolve(broken.policies, reconcile=counts))


def _shrunk(fault: Fault = MODE.fault) -> tuple[Action, ...]:
    found = run_actions(SCOPE, fault, MODE.target, ABORTS_A_COMMIT)
    assert found is not None
    assert len(found.actions) == 7
    shortest = shrink(SCOPE, fault, MODE.target, found)
    assert shortest.is_minimal == (len(shortest.actions) == 6)
    return shortest.actions


def test_a_trace_that_no_small_change_shortens_becomes_the_shortest() -> None:
    """The explorer tries every trace with no more of anything; a local search stays where it is."""

    def fails_same(actions: tuple[Action, ...]) -> tuple[Action, ...] | None:
        again = run_actions(SCOPE, MODE.fault, MODE.target, actions)
        return None if again is None else again.actions

    assert minimise(ABORTS_A_COMMIT, fails_same, at_server=False) == ABORTS_A_COMMIT
    assert len(_shrunk()) == len(ABORTS_TWICE) == 6
    assert fails_same(ABORTS_TWICE) == ABORTS_TWICE


def test_where_there_are_too_many_states_the_local_search_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing then of all the others, and gives what it has."""
    monkeypatch.setattr(minimising, "STATES_MAX", 3)
    assert _shrunk() == ABORTS_A_COMMIT


def test_a_queue_that_cannot_be_explored_is_searched_locally() -> None:
    """Who keeps something in memory can still be searched, and what is found is made shorter."""
    assert _shrunk(counting) == ABORTS_A_COMMIT


def test_a_search_says_where_a_shorter_trace_was_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of `find` says that what it shows need not be the shortest; else it is silent."""
    said = "but a shorter trace may exist"
    mode_id = quickest().id
    assert said not in invoke("find", mode_id, "--driver", "walk").stdout
    monkeypatch.setattr(minimising, "STATES_MAX", 1)
    assert said in invoke("find", mode_id, "--driver", "walk").stdout.splitlines()[-1]
