"""What can happen next in a run, by the names of the rules of a machine. Nothing here knows Hypothesis.

A rule is the story of an action: `Step(worker="A")` is `step_worker(worker="A")`. A strategy says how often
each is drawn. `queue_rules.py` has the rules.
"""

from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.strategy import Strategy
from model.actions import (
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
)

RULES: Mapping[type[Action], str] = {
    Step: "step_worker",
    Enqueue: "enqueue",
    Tick: "tick",
    Crash: "crash_worker",
    Fail: "fail_handler",
    Hang: "hang_handler",
    TimeOut: "time_out_handler",
    Heartbeat: "heartbeat",
    Reconcile: "reconcile",
    PowerLoss: "lose_power",
    LostReply: "lose_reply",
    ThreadHeartbeat: "heartbeat_of_thread",
    Rollback: "roll_back",
    ClockBack: "set_clock_back",
    Release: "release_job",
    ClockSkew: "skew_clock",
}
"""The rule of each action of our queue."""


@frozen(kw_only=True)
class Choice:
    """A rule by its name, and its arguments. Where they are None, the strategies of the rule draw them."""

    rule: str
    arguments: Mapping[str, Any] | None = field(default=None, hash=False)


@frozen(kw_only=True)
class ActionChoice(Choice):
    """The choice of an action; at granularity `statement`, of some more steps of its process, too."""

    actions: tuple[Action, ...]


def weighted_choices(strategy: Strategy, scope: Scope) -> tuple[tuple[ActionChoice, int], ...]:
    """What a search may draw, each with its weight. Shrinking prefers the first ones."""
    draws = strategy.bursts(scope)
    return tuple([(choice_of(draw), draws.count(draw)) for draw in dict.fromkeys(draws)])


def choice_of(actions: tuple[Action, ...]) -> ActionChoice:
    """The choice of an action, and of the steps that follow it."""
    first, *steps = actions
    arguments = {name: value for name, value in asdict(first).items() if value not in (None, False)}
    if steps:
        arguments["then_steps"] = len(steps)
    return ActionChoice(rule=RULES[type(first)], arguments=arguments, actions=actions)


def reweighted(strategy: Strategy, weights: Mapping[str, int]) -> Strategy:
    """The strategy with other weights of some rules. Rules that are no action are passed over."""
    for action, rule in RULES.items():
        if rule in weights:
            strategy = strategy.weighted(action.__name__, weights[rule])
    return strategy
