"""A trace as a value, and its JSON text: one action on each line, so that it can be reviewed like code."""

import json
from typing import Any

from attrs import evolve, field, fields, frozen

from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.support.errors import FileError
from failure_modes.checker.traces.scope_json import scope_to_json
from model.actions import Action

FORMAT = 2
"""The version of the JSON form. A change that an old reader would misunderstand gets a new number."""


class TraceError(FileError):
    """A file is not a trace. The message has the file, the line and the correct form."""


@frozen(kw_only=True)
class Breaks:
    """The invariant that a trace breaks, and the number of the action at which it breaks (1, 2 and so on).

    `step` is None if the liveness run breaks it. `invariant` is None for a divergence without a violation.
    """

    invariant: str | None
    step: int | None


def _without_ticks(scope: Scope) -> Scope:
    return evolve(scope, tick_seconds=Scope().tick_seconds)


@frozen(kw_only=True)
class Trace:
    """A run, as data. `failure_mode` is None if the trace belongs to no failure mode in the catalogue.

    Its scope is without the ticks that a search may draw: each tick of the actions has its length.
    """

    failure_mode: str | None
    scope: Scope = field(converter=_without_ticks)
    breaks: Breaks
    why: str
    actions: tuple[Action, ...]

    def same_violation(self, other: "Trace") -> bool:
        """True if both break the same invariant by the same canonical actions in the same scope."""
        return (self.breaks, self.scope, canonical(self.actions)) == (
            other.breaks,
            other.scope,
            canonical(other.actions),
        )


def to_json(trace: Trace) -> str:
    """The trace as JSON text, one action on each line."""
    head = {
        "format": FORMAT,
        "failure_mode": trace.failure_mode,
        "scope": scope_to_json(trace.scope),
        "breaks": {"invariant": trace.breaks.invariant, "step": trace.breaks.step},
        "why": trace.why,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    actions = ",\n".join([f"    {json.dumps(action_to_json(action))}" for action in trace.actions])
    return "\n".join(["{", *lines, '  "actions": [', actions, "  ]", "}", ""])


def action_to_json(action: Action) -> dict[str, Any]:
    """An action as a JSON object: its name, and the arguments that differ from their defaults."""
    arguments = {
        one.name: value for one in fields(type(action)) if (value := getattr(action, one.name)) != one.default
    }
    return {"action": type(action).__name__, **arguments}
