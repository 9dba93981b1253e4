"""The options that only `prove` has, and what they make of bounds, reductions and limits."""

from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.options import Command, Seconds
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.proof.proof import Reductions
from failure_modes.checker.proof.proving import Limits

GUARDED_BOUNDS = Bounds(jobs=2, ticks=1, crashes=1)
"""What may happen when the guarded system is proved for no failure mode in particular."""

COUNTED = {
    "jobs": "Jobs, each enqueued once.",
    "retries": "Enqueues of a key that was used before.",
    "ticks": "Times that the clock moves on.",
    "crashes": "Crashes of a process in the middle of its work.",
    "failures": "Handlers that raise.",
    "heartbeats": "Handlers that ask for more time.",
    "reconciles": "Runs of the reconciliation.",
    "poisons": "Jobs that kill the worker that runs their handler.",
    "power_losses": "Losses of power.",
}
_SWITCHES = {
    "symmetry": "Tell workers apart.",
    "answers": "Tell processes apart by all that they have seen, and not by what they can remember.",
    "memory": "Run each step again, also one that was run from the same state before.",
}


def counted(command: Command) -> Command:
    """The options that say how often each action may happen, at most."""
    for kind, help_ in reversed(COUNTED.items()):
        name = f"--{kind.replace('_', '-')}"
        command = click.option(name, type=click.IntRange(0, 200), help=help_)(command)
    return command


def tick_seconds(command: Command) -> Command:
    """The option that says how far a tick moves the clock."""
    return click.option(
        "--tick-seconds",
        type=Seconds(0.001, 1e9),
        multiple=True,
        help="How far a tick moves the clock; may be given more than once. Default: as the settings say.",
    )(command)


def switches(command: Command) -> Command:
    """The options that leave out a reduction."""
    for name, help_ in reversed(_SWITCHES.items()):
        command = click.option(f"--no-{name}", name, flag_value=False, default=True, help=help_)(command)
    return click.option(
        "--sleep/--no-sleep",
        default=None,
        help="Try independent actions in one order only; the default at granularity statement.",
    )(command)


def bounds_of(mode: FailureMode | None, options: dict[str, Any]) -> Bounds:
    """What may happen: as the options say, else as the failure mode says. Raises click.UsageError."""
    bounds = GUARDED_BOUNDS if mode is None else mode.bounds
    changes = {kind: options[kind] for kind in COUNTED if options[kind] is not None}
    for seconds in options["tick_seconds"]:
        if round(seconds * 1000) / 1000 != seconds:
            raise click.UsageError(f"--tick-seconds {seconds}: whole milliseconds only")
    if options["tick_seconds"]:
        changes["tick_seconds"] = tuple(dict.fromkeys(options["tick_seconds"]))
    return evolve(bounds, **changes)


def limits_of(options: dict[str, Any]) -> Limits:
    """When to stop early, and where the checkpoint is."""
    return Limits(
        seconds_max=options["seconds"], states_max=options["states"], checkpoint=options["checkpoint"]
    )


def reductions_of(mode: FailureMode | None, options: dict[str, Any]) -> Reductions:
    """The reductions that were not left out. `mode` is None where no fault is put in."""
    return Reductions(
        symmetry=options["symmetry"] and (mode is None or mode.symmetric),
        **{name: options[name] for name in ("sleep", "answers", "memory")},
    )


def all_reductions(options: dict[str, Any]) -> bool:
    """True if no reduction was left out or asked for: only then is the number of states the scenario's."""
    return all(options[name] for name in _SWITCHES) and options["sleep"] is None
