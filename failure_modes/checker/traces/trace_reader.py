"""Reads the JSON form of a trace.

The reader guesses nothing. A file that is not a trace is rejected with its name, the line and the correct
form.
"""

import json
import re
from pathlib import Path
from typing import Any, NoReturn

from attrs import NOTHING, evolve, fields

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.traces.scope_json import BadScope, description, scope_from_json
from failure_modes.checker.traces.trace import FORMAT, Breaks, Trace, TraceError
from model.actions import ACTIONS, Action, Enqueue, actor_of
from model.invariants import INVARIANTS

_FORMATS = (1, 2)
"""The versions that can be read. In format 1 the keys p1, p2, … mark poison jobs; format 2 has `poison`."""

_KEYS = ("format", "failure_mode", "scope", "breaks", "why", "actions")
_DEPTH_MAX = 20
"""A trace has three levels of nesting. A much deeper file is rejected before it can overflow the parser."""


def load(path: Path | str) -> Trace:
    """Read a trace. Raises TraceError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}:{line}: byte {error.start} is not UTF-8; a trace is UTF-8 JSON") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise TraceError(f"{path}: {reason}; give the path of a trace") from None
    return read(path, text)


def read(path: Path, text: str) -> Trace:
    """The trace of a text in JSON. `path` names the text in the messages. Raises TraceError."""
    return _Reader(path, text).trace()


class _Reader:
    """The reader of one file. It knows the line of each key and action, for the messages."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._places: dict[str, tuple[int, int]] = {}
        """The positions at which each key of the top object and its value begin."""

    def fail(self, line: int, problem: str, correct: str) -> NoReturn:
        raise TraceError(f"{self._path}:{line}: {problem}; {correct}")

    def trace(self) -> Trace:
        top = self._top()
        version = top.get("format", FORMAT)
        if type(version) is not int or version not in _FORMATS:  # True is 1, and is no format
            self.fail(
                self._line("format"),
                f"unknown format {description(version)}",
                f"this program reads format {' and '.join([str(known) for known in _FORMATS])}",
            )
        for key in [*_KEYS, *top]:
            if key not in top:
                self.fail(1, f"{key!r} is missing", f"a trace has {', '.join(_KEYS)}")
            if key not in _KEYS:
                self.fail(
                    self._line(key), f"unknown key {description(key)}", f"a trace has {', '.join(_KEYS)}"
                )
        scope = self._scope(top["scope"])
        actions = self._actions(top["actions"], scope)
        if version == 1:
            actions = tuple([_from_format_1(action) for action in actions])
        if not isinstance(top["why"], str):
            self.fail(self._line("why"), f"'why' is {description(top['why'])}", "it is a string")
        mode = top["failure_mode"]
        if mode is not None and not (isinstance(mode, str) and re.fullmatch(r"FM_[0-9]{3}", mode)):
            problem = f"'failure_mode' is {description(mode)}"
            self.fail(self._line("failure_mode"), problem, "it is FM_ and three digits, or null")
        return Trace(
            failure_mode=mode,
            scope=scope,
            breaks=self._breaks(top["breaks"], len(actions)),
            why=top["why"],
            actions=actions,
        )

    def _top(self) -> dict[str, Any]:
        depth = 0
        for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', self._text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
            if depth > _DEPTH_MAX:
                line = self._line_at(token.start())
                self.fail(line, "too many levels of nesting", "a trace has three levels")
        try:
            top = json.loads(self._text, parse_int=_integer)
        except json.JSONDecodeError as error:
            at_end = error.pos >= len(self._text.rstrip())
            problem = "the file ends too early" if at_end else f"not JSON: {error.msg}"
            self.fail(error.lineno, problem, "a trace is one JSON object")
        if not isinstance(top, dict):
            self.fail(1, f"the file holds a {type(top).__name__}", "a trace is one JSON object")
        self._find_places()
        return top

    def _scope(self, value: Any) -> Scope:
        try:
            return scope_from_json(value)
        except BadScope as error:
            self.fail(self._line("scope"), error.problem, error.correct)

    def _breaks(self, value: Any, length: int) -> Breaks:
        line = self._line("breaks")
        if not isinstance(value, dict) or set(value) != {"invariant", "step"}:
            self.fail(line, f"'breaks' is {description(value)}", "it is an object of invariant, step")
        known = [rule.id for rule in INVARIANTS]
        if value["invariant"] not in (None, *known):
            problem = f"unknown invariant {description(value['invariant'])}"
            self.fail(line, problem, f"known are {', '.join(known)}, or null for a divergence")
        step = value["step"]
        whole = isinstance(step, int) and not isinstance(step, bool)
        if step is not None and not (whole and 1 <= step <= length):
            self.fail(
                line, f"'step' is {description(step)}", f"it is from 1 to {length}, or null for the recovery"
            )
        return Breaks(invariant=value["invariant"], step=step)

    def _actions(self, value: Any, scope: Scope) -> tuple[Action, ...]:
        if not isinstance(value, list):
            self.fail(self._line("actions"), f"'actions' is a {type(value).__name__}", "it is a list")
        lines = self._action_lines()
        return tuple([self._action(item, lines[number], scope) for number, item in enumerate(value)])

    def _action(self, item: Any, line: int, scope: Scope) -> Action:
        known = {action.__name__: action for action in ACTIONS}
        if not isinstance(item, dict) or not isinstance(item.get("action"), str):
            self.fail(line, f"{description(item)} is not an action", 'write {"action": NAME, …}')
        kind = known.get(item["action"])
        if kind is None:
            self.fail(line, f"unknown action {description(item['action'])}", f"known are {', '.join(known)}")
        expected = [field.name for field in fields(kind)]
        needed = [field.name for field in fields(kind) if field.default is NOTHING]
        given = {name: argument for name, argument in item.items() if name != "action"}
        if not set(needed) <= set(given) <= set(expected):
            takes = ", ".join(needed) or "no arguments"
            takes += "".join([f", and may have {name}" for name in expected if name not in needed])
            got = ", ".join([description(name) for name in given]) or "no arguments"
            self.fail(line, f"{item['action']} has {got}", f"it takes {takes}")
        try:
            action = kind(**given)
        except (TypeError, ValueError) as error:
            correct = _reason(error) or " and ".join([_CORRECT[name] for name in given])
            self.fail(line, f"{item['action']}: bad argument {description(given)}", correct)
        names = scope.process_names
        if (name := actor_of(action)) not in (None, *names):
            self.fail(line, f"there is no worker {description(name)}", f"this scope has {', '.join(names)}")
        return action

    def _line(self, key: str) -> int:
        """The line of a key of the top object."""
        return self._line_at(self._places[key][0])

    def _line_at(self, position: int) -> int:
        return self._text.count("\n", 0, position) + 1

    def _find_places(self) -> None:
        """Find the positions of the keys of the top object. Fails if an object has a key twice."""
        at = self._skip(self._skip(0) + 1)
        while self._text[at] != "}":
            key, end = _DECODER.raw_decode(self._text, at)
            if key in self._places:
                self.fail(self._line_at(at), f"{description(key)} occurs twice", "each key occurs once")
            self._places[key] = at, self._skip(end)
            strictly = key != "actions"  # each action is checked later, so that a message has its line
            at = self._after(self._skip(end), self._line_at(at), _DECODER if strictly else _LENIENT)

    def _action_lines(self) -> list[int]:
        """The line on which each action begins."""
        lines: list[int] = []
        at = self._skip(self._places["actions"][1] + 1)
        while self._text[at] != "]":
            lines.append(self._line_at(at))
            at = self._after(at, lines[-1], _DECODER)
        return lines

    def _after(self, at: int, line: int, decoder: json.JSONDecoder) -> int:
        """The position of the next value, key or end, after the value that begins at `at`."""
        try:
            return self._skip(decoder.raw_decode(self._text, at)[1])
        except _Twice as error:
            self.fail(line, f"{description(error.args[0])} occurs twice", "each key occurs once")

    def _skip(self, at: int) -> int:
        """The position after spaces and separators. The text has been parsed before, so they are correct."""
        found = _SEPARATORS.match(self._text, at)
        assert found is not None, "the pattern also matches the empty string"
        return found.end()


class _Twice(Exception):
    """An object has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key occurs twice. Raises _Twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _integer(digits: str) -> float:
    """A whole number, or a float if there are 20 digits or more: Python limits the digits of an int."""
    return int(digits) if len(digits) < 20 else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)
_LENIENT = json.JSONDecoder(parse_int=_integer)
_SEPARATORS = re.compile(r"[ \t\r\n,:]*")


_CORRECT = {
    "key": "key is a non-empty string",
    "worker": "worker is a non-empty string",
    "poison": "poison is true or false",
    "payload": "payload is a string",
    "process": "process is the name of a reconciler",
}


def _from_format_1(action: Action) -> Action:
    """The action with `poison` set. In format 1 the key alone marked a poison job."""
    if isinstance(action, Enqueue) and action.key[:1] == "p" and action.key[1:].isdecimal():
        return evolve(action, poison=True)
    return action


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else ""
    return text if text.startswith(("'seconds'", "'commits'")) else ""
