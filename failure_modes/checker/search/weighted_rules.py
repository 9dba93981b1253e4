"""The next rule of a Hypothesis state machine, as often as its weight says: Hypothesis has no weights.

One draw chooses from what can happen. It may fix the arguments as well; otherwise the strategies of the rule
draw them. The class of Hypothesis would draw a rule first, each as often as every other. This module knows no
queue.
"""

from functools import cache
from typing import Any, Protocol

from hypothesis.stateful import Rule
from hypothesis.strategies import DrawFn, SearchStrategy, composite, sampled_from

from failure_modes.checker.search.choices import Choice


class WeightedMachine(Protocol):
    """What is asked of a state machine. `rules` and `bundle` are those of Hypothesis."""

    rules: Any

    def choices(self) -> tuple[Choice, ...]:
        """What can happen now, each as often as its weight says; never nothing."""
        ...

    def bundle(self, name: str) -> Any:
        """The values in a bundle."""
        ...


@composite
def weighted_rules(draw: DrawFn, machine: WeightedMachine) -> tuple[Rule, dict[str, Any]]:
    """A rule that can happen, and its arguments."""
    choices = machine.choices()
    choice = choices[draw(_index_of(len(choices)))]
    rule = next(rule for rule in machine.rules if rule.function.__name__ == choice.rule)
    if choice.arguments is not None:
        return rule, dict(choice.arguments)
    return rule, {name: draw(strategy) for name, strategy in rule.arguments_strategies.items()}


def allowed(machine: WeightedMachine, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """The choices whose rules may run: their preconditions hold, and their bundles are not empty."""
    named = {choice.rule for choice in choices}
    refused = {
        rule.function.__name__
        for rule in machine.rules
        if (rule.preconditions or rule.bundles)
        and rule.function.__name__ in named
        and not _may_run(machine, rule)
    }
    return tuple([choice for choice in choices if choice.rule not in refused]) if refused else choices


def _may_run(machine: WeightedMachine, rule: Rule) -> bool:
    return all(holds(machine) for holds in rule.preconditions) and all(
        machine.bundle(bundle.name) for bundle in rule.bundles
    )


@cache
def _index_of(count: int) -> SearchStrategy[int]:
    """An index of so many choices, each as likely as every other."""
    return sampled_from(range(count))
