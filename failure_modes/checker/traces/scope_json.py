"""The JSON form of a scope in a trace. Times are seconds in the file and milliseconds in the program."""

import json
from typing import Any, NoReturn

from attrs import fields

from failure_modes.checker.experiment.scope import WORKER_NAMES, Granularity, Scope, StoreKind
from failure_modes.checker.support.errors import FileError
from model.actions import RECONCILERS
from model.state import Settings
from system.settings import WHOLE_LEAST, WHOLE_MAX

_ALWAYS: dict[str, type] = {
    "workers": int,
    "granularity": str,
    "lease_seconds": float,
    "attempts_max": int,
    "backoff_seconds": float,
    "backoff_max_seconds": float,
}
_BESIDES: dict[str, type] = {
    "jitter_seed": int,
    "retries_max": int,
    "window_seconds": float,
    "failures_max": int,
    "open_seconds": float,
    "external": bool,
    "reconcile_batch": int,
    "fused": bool,
}
"""Settings that are written only if they differ from the default."""

_POWER = "power_loss"
_STORE = "store"
_CONSTRAINTS = "constraints"
_OF_RUN = ("threads", "rollback", "within_statements", "payloads_differ")
_PROCESSES: dict[str, type] = {"reconcilers": int, "worker_attempts_max": int}
_SWITCHES = (_POWER, _CONSTRAINTS, *_OF_RUN)
_OF_WORLD: dict[str, type] = {_STORE: str, **dict.fromkeys(_SWITCHES, bool), **_PROCESSES}
"""Keys that are no settings of a policy, written only if they differ from the default."""

_KIND_NAMES = {int: "whole number", float: "number", str: "string", bool: "true or false"}
_SHOWN_MAX = 120
"""The number of characters of a wrong value that a message repeats."""


class BadScope(FileError, ValueError):
    """The value is not a scope. The exception has the problem and the correct form."""

    def __init__(self, problem: str, correct: str) -> None:
        super().__init__(problem, correct)
        self.problem, self.correct = problem, correct


def scope_to_json(scope: Scope) -> dict[str, Any]:
    """The scope as a JSON object."""
    found: dict[str, Any] = {"workers": scope.workers, "granularity": scope.granularity.value}
    for name in (*list(_ALWAYS)[2:], *_BESIDES):
        value = getattr(scope.settings, _setting(name))
        if name in _ALWAYS or value != _DEFAULTS[_setting(name)]:
            found[name] = _seconds(value) if name.endswith("_seconds") else value
    for name in _PROCESSES:
        if (value := getattr(scope, name)) != getattr(fields(Scope), name).default:
            found[name] = value
    if scope.store is not StoreKind.SQLITE:
        found[_STORE] = scope.store.value
    if not scope.constraints:
        found[_CONSTRAINTS] = False
    found |= {name: True for name in _OF_RUN if getattr(scope, name)}
    return found | {_POWER: True} if scope.power_loss else found


def scope_from_json(value: Any) -> Scope:
    """The scope that a JSON object describes. Raises BadScope."""
    if not isinstance(value, dict) or set(value) - {*_BESIDES, *_OF_WORLD} != set(_ALWAYS):
        raise BadScope(f"'scope' is {description(value)}", f"it is an object of {', '.join(_ALWAYS)}")
    for key in value:
        _check(key, value[key], (_ALWAYS | _BESIDES | _OF_WORLD)[key])
    if value["workers"] > len(WORKER_NAMES):
        raise BadScope(f"'workers' is {value['workers']}", f"it is at most {len(WORKER_NAMES)}")
    if value.get("reconcilers", 1) > len(RECONCILERS):
        raise BadScope(f"'reconcilers' is {value['reconcilers']}", f"it is at most {len(RECONCILERS)}")
    if value["granularity"] not in list(Granularity):
        correct = f"it is {' or '.join(Granularity)}"
        raise BadScope(f"'granularity' is {description(value['granularity'])}", correct)
    store = value.get(_STORE, StoreKind.SQLITE)
    if store not in list(StoreKind):
        raise BadScope(f"'store' is {description(store)}", f"it is {' or '.join(StoreKind)}")
    if value.get("rollback") and value.get(_POWER):
        raise BadScope("'scope' has rollback and power_loss", "it has one of them")
    settings = {
        _setting(key): round(given * 1000) if key.endswith("_seconds") else given
        for key, given in value.items()
        if key not in ("workers", "granularity", *_OF_WORLD)
    }
    return Scope(
        workers=value["workers"],
        granularity=Granularity(value["granularity"]),
        settings=Settings(**settings),
        store=StoreKind(store),
        power_loss=value.get(_POWER, False),
        constraints=value.get(_CONSTRAINTS, True),
        **{name: value.get(name, False) for name in _OF_RUN},
        **{name: value[name] for name in _PROCESSES if name in value},
    )


def _check(key: str, value: Any, kind: Any) -> None:
    def refuse(correct: str) -> NoReturn:
        raise BadScope(f"{key!r} is {description(value)}", correct)

    if isinstance(value, bool) is not (kind is bool):
        refuse(f"it is {_KIND_NAMES[kind] if kind is bool else f'a {_KIND_NAMES[kind]}'}")
    if not isinstance(value, (int, float) if kind is float else kind):
        refuse(f"it is a {_KIND_NAMES[kind]}")
    if key == "jitter_seed":
        if not WHOLE_LEAST <= value <= WHOLE_MAX:
            refuse("it has at most 64 bits")
        return
    if kind in (int, float) and not 0 < value <= 1e9:
        refuse("it is positive, and at most 1e9")
    if kind is float and round(value * 1000) / 1000 != value:
        refuse("it is in whole milliseconds")


def description(value: Any) -> str:
    """A value as JSON, on one line, cut after `_SHOWN_MAX` characters."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


_DEFAULTS = {field.name: field.default for field in fields(Settings)}


def _setting(name: str) -> str:
    return name.removesuffix("_seconds") + "_ms" if name.endswith("_seconds") else name


def _seconds(milliseconds: int) -> float:
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
