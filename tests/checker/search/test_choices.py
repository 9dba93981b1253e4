"""What can be drawn: each action has a rule, and each fault has a place in the long search."""

from attrs import fields

from failure_modes.checker.experiment.bounds import KINDS, Bounds
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.experiment.strategy import FAULTS, UNRESTRICTED
from failure_modes.checker.oracle.sometimes import OF_HUNG, OF_SKEW, of_weights
from failure_modes.checker.search.choices import RULES, weighted_choices
from failure_modes.checker.search.queue_machine import QueueMachine
from model.actions import ACTIONS, LOST, LostReply
from tests.checker.commands import invoke


def test_each_action_has_a_rule_of_the_machine() -> None:
    """The rule takes the arguments of the action, by their names."""
    assert set(RULES) == set(ACTIONS)
    for kind, name in RULES.items():
        rule = getattr(QueueMachine, name).hypothesis_stateful_rule.function
        assert {field.name for field in fields(kind)} <= {*rule.__code__.co_varnames}


def test_every_fault_is_drawn_on_each_store() -> None:
    """What is not in `FAULTS` is a usual action, or a loss of power, which needs a world of its own."""
    usual = {name for name, _ in UNRESTRICTED.weights}
    drawn = {name for names in FAULTS.values() for name in names}
    assert usual | drawn | {"PowerLoss"} == {kind.__name__ for kind in ACTIONS}
    for store, names in FAULTS.items():
        strategy = UNRESTRICTED
        for name in names:
            strategy = strategy.weighted(name, 1)
        scope = Scope(store=store, threads=store is StoreKind.SQLITE, rollback=True)
        choices = [choice.actions[0] for choice, _ in weighted_choices(strategy, scope)]
        assert {type(action).__name__ for action in choices} == usual | set(names)
        assert {action.of for action in choices if isinstance(action, LostReply)} == set(LOST)


def test_each_event_of_a_proof_has_a_bound() -> None:
    """`KINDS` and the fields of the bounds are the same words."""
    assert tuple([field.name for field in fields(Bounds)]) == KINDS


def test_explore_gives_a_weight_to_every_fault() -> None:
    """The option stands for the weights, and each situation of a fault is counted."""
    explored = invoke("explore", "--every-fault", "--examples", "2", "--weight", "Hang=9")
    assert all(name in explored.output for name in of_weights(dict.fromkeys(FAULTS[StoreKind.SQLITE], 1)))
    assert OF_HUNG[0] in explored.output
    assert OF_SKEW not in explored.output
