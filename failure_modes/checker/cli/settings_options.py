"""The options for the settings of a scope, and what they make of it."""

from collections.abc import Callable
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.options import Command, Seconds
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.ticks import ticks_of
from model.actions import RECONCILERS
from model.state import Settings
from system.settings import WHOLE_LEAST, WHOLE_MAX

Ticks = Callable[[Settings], tuple[float, ...]]
"""A function that gives the lengths of a tick, in seconds, for settings."""

_MILLISECOND = 0.001
_SECONDS_MAX = 1e9
_WHOLE = 1_000_000_000
"""As a trace has them: see `traces/scope_json.py`."""


class WholeMilliseconds(Seconds):
    """A time that a trace can have."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        seconds = super().convert(value, param, ctx)
        if round(seconds * 1000) / 1000 != seconds:
            self.fail(f"{value!r} is not in whole milliseconds", param, ctx)
        return seconds


_SECONDS = WholeMilliseconds(_MILLISECOND, _SECONDS_MAX)
_NUMBER = click.IntRange(1, _WHOLE)

SETTINGS: dict[str, tuple[click.ParamType[Any], str]] = {
    "lease_seconds": (_SECONDS, "A job's lease."),
    "attempts_max": (_NUMBER, "Leases of a job, at most."),
    "backoff_seconds": (_SECONDS, "The wait after a first failure, doubled after each."),
    "backoff_max_seconds": (_SECONDS, "The longest wait after a failure."),
    "jitter_seed": (click.IntRange(WHOLE_LEAST, WHOLE_MAX), "Full jitter of the backoff, from this seed."),
    "retries_max": (_NUMBER, "Retry budget: so many retries in the window."),
    "window_seconds": (_SECONDS, "The window of --retries-max."),
    "failures_max": (_NUMBER, "Circuit breaker: it opens at so many failures in a row."),
    "open_seconds": (_SECONDS, "How long the circuit breaker of --failures-max stays open."),
    "reconcile_batch": (_NUMBER, "Executions that one run of the reconciliation ends, at most."),
}
"""By option: its type, and its help. `FLAGS` are not here."""

FLAGS: dict[str, str] = {
    "fused": "A worker finishes a job, and leases and starts the next, in one transaction.",
    "external": "The handlers call a payment gateway.",
}
"""The settings that are flags, and their help."""

PROCESSES: dict[str, tuple[click.ParamType[Any], str]] = {
    "reconcilers": (click.IntRange(1, len(RECONCILERS)), "How many reconcilers."),
    "worker_attempts_max": (_NUMBER, "The attempts in the policies of all but the producer."),
}


def settings(command: Command) -> Command:
    """The options that say what the settings are."""
    for name, help_ in reversed(FLAGS.items()):
        command = click.option(f"--{name}", is_flag=True, default=None, help=help_)(command)
    for name, (kind, help_) in reversed((SETTINGS | PROCESSES).items()):
        command = click.option(f"--{name.replace('_', '-')}", type=kind, help=help_)(command)
    return command


def with_settings(scope: Scope, options: dict[str, Any], *, ticks: Ticks = ticks_of) -> Scope:
    """The scope with the settings that were given; the others are as they were.

    If that changes the settings, the lengths of a tick follow from them.
    """
    given = {name: options[name] for name in (*SETTINGS, *FLAGS) if options.get(name) is not None}
    changes = dict([_setting(name, value) for name, value in given.items()])
    processes = {name: options[name] for name in PROCESSES if options.get(name) is not None}
    settings = evolve(scope.settings, **changes)
    if settings != scope.settings:
        processes["tick_seconds"] = ticks(settings)
    return evolve(scope, settings=settings, **processes)


def _setting(name: str, value: Any) -> tuple[str, Any]:
    """The option as a field of the settings. Seconds are milliseconds there."""
    if name.endswith("_seconds"):
        return f"{name.removesuffix('_seconds')}_ms", round(value * 1000)
    return name, value


def as_given(options: dict[str, Any]) -> list[str]:
    """The options for the settings as they were typed."""
    typed = []
    for name in (*SETTINGS, *PROCESSES):
        value = options.get(name)
        if value is not None:
            typed += [
                f"--{name.replace('_', '-')}",
                f"{value:.12g}" if isinstance(value, float) else str(value),
            ]
    return [*typed, *[f"--{name}" for name in FLAGS if options.get(name)]]
