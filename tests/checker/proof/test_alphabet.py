"""The actions that can happen in a state: what happens between transactions only."""

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.alphabet import Alphabet
from model.actions import Action, Enqueue, Step


def test_the_store_and_the_clock_are_set_back_between_transactions_only() -> None:
    """Not while a process has a transaction open, wherever the other processes are."""
    scope = Scope(workers=2, granularity=Granularity.STATEMENT, rollback=True)
    alphabet = Alphabet(scope, Bounds(jobs=1, rollbacks=1, clock_backs=1))
    actions: list[Action] = [Enqueue(key="k1"), *[Step(worker="B")] * 6]
    between, offered = {"Rollback", "ClockBack"}, set()
    with Lockstep(scope) as run:
        for action in actions:
            run.apply(action)
            possible = alphabet.possible(run.snapshot().system.processes, NOTHING_SPENT)
            kinds = {type(one).__name__ for one, _ in possible} & between
            opened = [one.in_transaction for one in run.snapshot().system.processes]
            assert kinds == (set() if any(opened) else between)
            offered.add(bool(kinds))
    assert offered == {True, False}
