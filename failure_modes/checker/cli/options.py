"""The common options of the commands, and their effect on a scope and on a strategy."""

import math
import re
from collections.abc import Callable
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.experiment.catalogue import FailureMode, UnknownFailureMode, failure_mode
from failure_modes.checker.experiment.scope import WORKER_NAMES, Granularity, Scope, StoreKind
from failure_modes.checker.experiment.strategy import ACTION_NAMES, Strategy
from failure_modes.checker.search.drivers import DRIVERS
from model.invariants import INVARIANTS


class Mode(click.ParamType[FailureMode]):
    """A failure mode, by its id or number."""

    name = "FM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> FailureMode:
        """The failure mode of that name."""
        try:
            return failure_mode(value)
        except UnknownFailureMode as error:
            self.fail(str(error), param, ctx)


class Weight(click.ParamType[tuple[str, int]]):
    """The weight of an action, as ACTION=N."""

    name = "ACTION=N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """The action's name and its weight."""
        action, _, weight = value.partition("=")
        names = {name.lower(): name for name in ACTION_NAMES}
        if action.lower() not in names:
            self.fail(f"unknown action {action[:40]!r}; known are {', '.join(ACTION_NAMES)}", param, ctx)
        if not re.fullmatch("[0-9]{1,3}", weight) or int(weight) > 100:
            self.fail(f"{value[:40]!r}: the weight is a whole number from 0 to 100", param, ctx)
        return names[action.lower()], int(weight)


Command = Callable[..., Any]


class Seconds(click.FloatRange):
    """A finite number of seconds. `nan` is rejected, although Python parses it as a number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a time", param, ctx)
        return seconds


DRIVER = click.option("--driver", type=click.Choice(DRIVERS), help="What chooses the actions of a search.")
DRAWING = click.option(
    "--driver",
    type=click.Choice([driver for driver in DRIVERS if driver != "explore"]),
    help="What draws the actions of a search.",
)
WORKERS = click.option(
    "--workers", type=click.IntRange(1, len(WORKER_NAMES)), help="How many virtual workers."
)
GRANULARITY = click.option(
    "--granularity",
    type=click.Choice([granularity.value for granularity in Granularity]),
    help="Pause before each transaction, or before each statement.",
)
STORE = click.option(
    "--store",
    type=click.Choice([store.value for store in StoreKind]),
    help="The database that the real queue runs on.",
)
WITHIN_STATEMENTS = click.option(
    "--within-statements",
    is_flag=True,
    default=None,
    help="Pause also within a statement with SKIP LOCKED: on postgresql, at granularity statement.",
)
SECONDS = click.option(
    "--seconds", type=Seconds(0, min_open=True), help="Stop each search or proof after this time."
)
KEEP = click.option("--keep", "keep_as", metavar="NAME", help="Keep the trace in FM's folder.")
WHY = click.option("--why", default="", help="One sentence to keep with the trace.")


def seed_of(help_: str) -> Callable[[Command], Command]:
    """The option for the seed; `help_` names its use."""
    return click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help=help_)


BREAKS = click.option(
    "--breaks",
    type=click.Choice([rule.id for rule in INVARIANTS]),
    help="Only this one of the invariants that FM breaks.",
)


def modes_to_try(mode: FailureMode, breaks: str | None) -> tuple[FailureMode, ...]:
    """The failure mode with that target, or, without an invariant, with each of its targets.

    Raises click.UsageError.
    """
    if breaks is None:
        return mode.each
    if breaks not in mode.invariants:
        known = f"{mode.id} {mode.title} breaks {' and '.join(mode.invariants)}"
        raise click.UsageError(f"{known}; its scenario.py does not have {breaks}")
    return (mode.breaking(breaks),)


def tuning(examples: int | None) -> Callable[[Command], Command]:
    """The options of every search. `examples` is the default; None for the default of the failure mode."""
    return lambda command: _with_options(command, examples)


def _with_options(command: Command, examples: int | None) -> Command:
    options = (
        seed_of("The seed of the search."),
        click.option(
            "--examples",
            type=click.IntRange(1),
            default=examples,
            show_default=True if examples else "the number in its scenario.py, usually 500",
            help="How many examples to try.",
        ),
        click.option("--steps", type=click.IntRange(1, 1000), help="Draws in an example."),
        click.option("--jobs", type=click.IntRange(1, 20), help="How many idempotency keys."),
        WORKERS,
        GRANULARITY,
        STORE,
        click.option(
            "--weight",
            "weights",
            type=Weight(),
            multiple=True,
            help=f"How often to try an action; 0 for never. Actions: {', '.join(ACTION_NAMES)}.",
        ),
        WITHIN_STATEMENTS,
        SECONDS,
    )
    for option in reversed(options):
        command = option(command)
    return command


def scoped(scope: Scope, options: dict[str, Any]) -> Scope:
    """The scope with the changes of the options."""
    if options["workers"]:
        scope = evolve(scope, workers=options["workers"])
    if options["granularity"]:
        scope = evolve(scope, granularity=Granularity(options["granularity"]))
    if options["store"]:
        scope = evolve(scope, store=StoreKind(options["store"]))
    if options.get("within_statements"):
        if scope.store is not StoreKind.POSTGRESQL or scope.granularity is not Granularity.STATEMENT:
            raise click.UsageError("--within-statements needs --store postgresql --granularity statement")
        if options.get("reconcile_batch") is not None:
            raise click.UsageError("--within-statements cannot be used with --reconcile-batch")
        scope = evolve(scope, within_statements=True)
    if dict(options.get("weights", ())).get("PowerLoss"):
        scope = evolve(scope, power_loss=True)
    if dict(options.get("weights", ())).get("ThreadHeartbeat"):
        scope = evolve(scope, threads=True)
    if dict(options.get("weights", ())).get("Rollback"):
        if scope.power_loss:
            raise click.UsageError("Rollback needs PowerLoss to have no weight")
        scope = evolve(scope, rollback=True)
    return scope


def check_store(mode: FailureMode, scope: Scope) -> None:
    """Raise click.UsageError if the failure mode cannot happen on that store."""
    why = mode.not_on.get(scope.store)
    if why is not None:
        raise click.UsageError(f"{mode.id} {mode.title} does not happen on {scope.store}: {why}")


NEEDED = {"Step": "no worker would move in any example", "Enqueue": "there would be no job"}
"""The actions without which a search has nothing to judge, and why."""


def tuned(strategy: Strategy, options: dict[str, Any]) -> Strategy:
    """The strategy with the changes of the options. Raises click.UsageError."""
    strategy = evolve(
        strategy,
        jobs=options["jobs"] or strategy.jobs,
        steps=options["steps"] or strategy.steps,
    )
    for action, weight in options["weights"]:
        strategy = strategy.weighted(action, weight)
    try:
        strategy.alphabet(scoped(Scope(), {**options, "within_statements": None}))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for action, weight in options["weights"]:
        if not weight and action in NEEDED:
            why = f"{NEEDED[action]}, so nothing is shown"
            raise click.UsageError(f"--weight {action}=0: {why}; give it 1 or more")
    return strategy
