"""A trace in a line of text, short enough for a test to hold it.

    FM_001 breaks INV_001 at step 8: Enqueue k1, Step A x2, Tick 30, Step B x4, Step A

`x4`: the action is taken four times. The scope is written as far as it differs from the usual one, after
`with`, by the names that it has in the JSON form. The text is read as strictly as a file: it becomes the
JSON form, and the reader of that checks it.
"""

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from attrs import NOTHING, fields

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.traces.scope_json import description, scope_to_json
from failure_modes.checker.traces.trace import FORMAT, Trace, TraceError, action_to_json
from failure_modes.checker.traces.trace_reader import read
from model.actions import ACTIONS, Action

_NAME = Path("<text of a trace>")
_GUARDED = "the guarded system"
_FORM = "it is like: FM_001 breaks INV_001 at step 8, with workers=1: Enqueue k1, Step A x2, Tick 30"
_HEAD = re.compile(
    rf"(?P<mode>FM_[0-9]{{3}}|{_GUARDED}) (?:breaks (?P<invariant>\w+)|diverges) "
    r"at (?:step (?P<step>[0-9]+)|the end)(?:, with (?P<scope>[^:]*))?: (?P<actions>.*)"
)
_WORD = r'(?:[^\s,"]|"(?:[^"\\]|\\.)*")+'
_ACTION = re.compile(rf"{_WORD}(?: {_WORD})*")
_TIMES = re.compile(r"x([1-9][0-9]{0,3})")
_PLAIN = re.compile(r"(?!x[0-9])[\w-]+")
"""A string that is written without quotes: it is not taken for a number of times."""


def trace_to_text(trace: Trace) -> str:
    """The trace as text, without its `why`."""
    breaks = trace.breaks
    what = f"breaks {breaks.invariant}" if breaks.invariant else "diverges"
    where = f"step {breaks.step}" if breaks.step else "the end"
    usual, scope = scope_to_json(Scope()), scope_to_json(trace.scope)
    differing = [f"{key}={_value(value)}" for key, value in scope.items() if usual.get(key) != value]
    within = f", with {', '.join(differing)}" if differing else ""
    actions = []
    for action, same in groupby(trace.actions):
        times = len(list(same))
        actions.append(_action_to_text(action) + (f" x{times}" if times > 1 else ""))
    return f"{trace.failure_mode or _GUARDED} {what} at {where}{within}: {', '.join(actions)}"


def trace_from_text(text: str) -> Trace:
    """The trace of a text. Spaces and ends of lines count alike. Raises TraceError."""
    found = _HEAD.fullmatch(" ".join(text.split()))
    if found is None:
        _fail(f"cannot read {description(text)}")
    mode, step = found["mode"], found["step"]
    top = {
        "format": FORMAT,
        "failure_mode": None if mode == _GUARDED else mode,
        "scope": scope_to_json(Scope()) | _scope(found["scope"] or ""),
        "breaks": {"invariant": found["invariant"], "step": None if step is None else int(step)},
        "why": "",
        "actions": _actions(found["actions"]),
    }
    return read(_NAME, json.dumps(top))


def _scope(text: str) -> dict[str, Any]:
    pairs = [word.partition("=") for word in text.split(", ") if word]
    return {name: _parsed(value) for name, _, value in pairs}


def _actions(text: str) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = []
    at = 0
    while at < len(text):
        found = _ACTION.match(text, at)
        if found is None:
            _fail(f"cannot read {description(text[at:])}")
        words, times = re.findall(_WORD, found.group()), 1
        if len(words) > 1 and (many := _TIMES.fullmatch(words[-1])):
            words, times = words[:-1], int(many[1])
        actions += [_action_from_words(words)] * times
        at = found.end() + len(", ")
    return actions


def _action_from_words(words: list[str]) -> dict[str, Any]:
    """The JSON form of an action: the arguments that it must have come first, the others are `name=value`."""
    name, *values = words
    kind = next((action for action in ACTIONS if action.__name__ == name), None)
    needed = [field for field in fields(kind) if field.default is NOTHING] if kind else []
    given: dict[str, Any] = {}
    for place, value in enumerate(values):
        if place < len(needed):
            text = needed[place].type is str and not value.startswith('"')
            given[needed[place].name] = value if text else _parsed(value)
        else:
            option, _, chosen = value.partition("=")
            given[option] = _parsed(chosen)
    return {"action": name, **given}


def _action_to_text(action: Action) -> str:
    words = []
    for name, value in action_to_json(action).items():
        optional = name != "action" and getattr(fields(type(action)), name).default is not NOTHING
        words.append(f"{name}={_value(value)}" if optional else _value(value))
    return " ".join(words)


def _value(value: Any) -> str:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)


def _parsed(value: str) -> Any:
    """A value: JSON, or a string without quotes."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _fail(problem: str) -> NoReturn:
    raise TraceError(f"{_NAME}: {problem}; {_FORM}")
