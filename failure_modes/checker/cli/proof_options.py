"""The options that only `prove` has, and the bounds, reductions and limits that they give."""

from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.options import Command, Seconds
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.proof.proof import Reductions
from failure_modes.checker.proof.proving import Limits

GUARDED_BOUNDS = Bounds(jobs=2, ticks=1, crashes=1)
"""The bounds of `prove` without a failure mode."""

COUNTED = {
    "jobs": "Jobs, each enqueued once.",
    "retries": "Enqueues of a key that was used before.",
    "ticks": "Ticks of the clock.",
    "crashes": "Crashes of a process in the middle of its work.",
    "failures": "Failures of a handler.",
    "heartbeats": "Heartbeats of a handler.",
    "reconciles": "Runs of the reconciliation.",
    "poisons": "Jobs that kill the worker that runs their handler.",
    "power_losses": "Losses of power.",
    "lost_replies": "Lost replies to a commit.",
    "thread_heartbeats": "Heartbeats of second threads of the workers, on SQLite.",
    "rollbacks": "Rollbacks of the store, while the workers live on.",
    "releases": "Releases of a job by a worker that is stopped.",
    "hangs": "Handlers that do not return.",
    "time_outs": "Handlers that the worker breaks off because they ran for too long.",
    "clock_skews": "Steps of the clock of one process, on PostgreSQL.",
    "clock_backs": "Steps of the clock back, each as long as a tick.",
}
_SWITCHES = {
    "symmetry": "Do not merge states that differ only in the names of workers.",
    "answers": "Do not merge processes that differ only in values that they can no longer read.",
    "memory": "Run every step, also if its result from the same state is known.",
    "rows": "Run a step also if its result from the same rows is known.",
}


def counted(command: Command) -> Command:
    """The options for the bounds: how often each event may happen."""
    for kind, help_ in reversed(COUNTED.items()):
        name = f"--{kind.replace('_', '-')}"
        command = click.option(name, type=click.IntRange(0, 200), help=help_)(command)
    return command


def tick_seconds(command: Command) -> Command:
    """The option for the length of a tick."""
    return click.option(
        "--tick-seconds",
        type=Seconds(0.001, 1e9),
        multiple=True,
        help="The length of a tick; may be given more than once. Default: it follows from the settings.",
    )(command)


def switches(command: Command) -> Command:
    """The options that switch off a reduction."""
    for name, help_ in reversed(_SWITCHES.items()):
        command = click.option(f"--no-{name}", name, flag_value=False, default=True, help=help_)(command)
    return click.option(
        "--sleep/--no-sleep",
        default=None,
        help="Try independent actions in one order only; the default at granularity statement.",
    )(command)


def with_ticks(scope: Scope, options: dict[str, Any]) -> Scope:
    """The scope with the ticks that were given. Raises click.UsageError."""
    given = options["tick_seconds"]
    for seconds in given:
        if round(seconds * 1000) / 1000 != seconds:
            raise click.UsageError(f"--tick-seconds {seconds}: whole milliseconds only")
    return evolve(scope, tick_seconds=tuple(dict.fromkeys(given))) if given else scope


def bounds_of(mode: FailureMode | None, options: dict[str, Any]) -> Bounds:
    """The bounds of the failure mode, with the changes of the options. Raises click.UsageError."""
    bounds = GUARDED_BOUNDS if mode is None else mode.bounds
    changes = {kind: options[kind] for kind in COUNTED if options[kind] is not None}
    bounds = evolve(bounds, **changes)
    if not bounds.jobs + bounds.poisons:
        raise click.UsageError(
            "no job is enqueued, so nothing is proved; give --jobs 1 or more, or --poisons"
        )
    return bounds


def limits_of(options: dict[str, Any]) -> Limits:
    """The limits of the proof, and its checkpoint."""
    return Limits(
        seconds_max=options["seconds"], states_max=options["states"], checkpoint=options["checkpoint"]
    )


def reductions_of(mode: FailureMode | None, options: dict[str, Any]) -> Reductions:
    """The reductions that are on. `mode` is None if the proof has no fault."""
    return Reductions(
        symmetry=options["symmetry"] and (mode is None or mode.symmetric),
        **{name: options[name] for name in ("sleep", "answers", "memory", "rows")},
    )


def all_reductions(options: dict[str, Any]) -> bool:
    """True if no option changes a reduction. Only then must the number of states be the scenario's."""
    return all(options[name] for name in _SWITCHES) and options["sleep"] is None
