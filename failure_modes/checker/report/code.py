"""A trace as Python: a test that replays it, or a program that takes its actions one by one.

Both are complete files that import the checker and nothing else.
"""

import json
import re
import textwrap
from enum import Enum
from typing import Any

from attrs import fields

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.report.rendering import system_described
from failure_modes.checker.traces.replay import Replayed
from failure_modes.checker.traces.trace import Trace
from failure_modes.checker.traces.trace_text import trace_to_text
from model.actions import Action
from model.state import Settings

_WIDTH = 100
_GIVEN_MAX = 3
"""The lines that a test of ten lines has for its trace."""
_TEST_MAX = 6
"""The lines of a function, if the file with it has ten lines."""
_PACKAGE = __name__.partition("failure_modes")[0]
"""In a wheel, the package that has all others in it; empty in a checkout."""


def pytest_of(*replays: tuple[Replayed, str | None]) -> str:
    """A file with a test for each trace, which holds while the trace breaks the same at the same step.

    With one trace the file has ten lines. A test has its trace in it, as text. If the text is too long, the
    test reads the trace from the path beside it.
    """
    names: list[str] = []
    for replayed, _ in replays:
        name = _test_name(replayed)
        again = sum(re.fullmatch(rf"{name}(_[0-9]+)?", known) is not None for known in names)
        names.append(f"{name}_{again + 1}" if again else name)
    tests = [_test_of(*one, name) for one, name in zip(replays, names, strict=True)]
    used = [name for name in ("load", "replay", "trace_from_text") if any(f"{name}(" in one for one in tests)]
    title = f'"""{_title(replays[0][0])}."""' if len(replays) == 1 else '"""Traces that were found."""'
    imported = f"from {_PACKAGE}failure_modes.checker import {', '.join(used)}"
    short = len(tests[0].splitlines()) < _TEST_MAX
    return "\n".join([title, *[""] * short, imported, *[f"\n\n{test}" for test in tests], ""])


def _test_of(replayed: Replayed, path: str | None, name: str) -> str:
    """A test of six lines at most."""
    text = trace_to_text(replayed.trace)
    given = _given(text)
    if given is None and path is not None:
        given = [f"    trace = load({_literal(path)})"]
    elif given is None:  # it could not be saved either
        given = [f"    trace = trace_from_text({_literal(text)})  # noqa: E501"]
    checks = ["    assert replay(trace).as_expected"]
    said = "The trace breaks what it broke when it was found."
    if replayed.trace.failure_mode:
        said = "The trace breaks what it broke when it was found, and nothing without the fault."
        checks.append("    assert replay(trace, guarded=True).as_expected")
        if len(given) > 1:
            checks = ["    assert all(replay(trace, guarded=fixed).as_expected for fixed in (False, True))"]
    return "\n".join([f"def {name}() -> None:", f'    """{said}"""', *given, *checks])


def _given(text: str) -> list[str] | None:
    """The lines that give the trace to the test; None if there are too many."""
    line = f"    trace = trace_from_text({_literal(text)})"
    if len(line) <= _WIDTH:
        return [line]
    if '"' in text or "\\" in text:  # a string in three quotes would need another form
        return None
    lines = textwrap.wrap(
        f'trace = trace_from_text("""{text}""")',
        _WIDTH,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines if len(lines) <= _GIVEN_MAX else None


def python_of(replayed: Replayed) -> str:
    """A program that takes the actions one by one; each has a comment that says what the system did."""
    trace = replayed.trace
    target = trace.breaks.invariant
    steps = [step for step in replayed.steps if not step.record.recovering]
    lines = [f"run.apply({_action(step.scheduled)})" for step in steps]
    width = max([len(line) for line in lines], default=0)
    told = [
        f"        {line:{width}}  # {step.number}: {system_described(step.record)}"
        for line, step in zip(lines, steps, strict=True)
    ]
    if trace.breaks.step is None:
        told.append("        run.finish()  # recovery, then a fair schedule")
    if trace.failure_mode is None:
        names = _imported(trace, ("Found", "Lockstep", "Scope"))
        system = f"Lockstep({_scope(trace.scope)})"
    elif target is None:
        names = _imported(trace, ("DIVERGENCE", "Found", "Lockstep", "Scope", "failure_mode"))
        fault = f"failure_mode({_literal(trace.failure_mode)}).fault"
        system = f"Lockstep({_scope(trace.scope)}, {fault}, target=DIVERGENCE)"
    else:
        names = _imported(trace, ("Found", "Lockstep", "Scope", "failure_mode"))
        system = f"Lockstep({_scope(trace.scope)}, mode.fault, target=mode.target)"
    mode = ""
    if trace.failure_mode is not None and target is not None:
        mode = f"mode = failure_mode({_literal(trace.failure_mode)}).breaking({_literal(target)})\n"
    return (
        f'"""{_title(replayed)}."""\n\n{names}\n\n{mode}with {system} as run:\n    try:\n'
        + "\n".join(told)
        + '\n    except Found as found:\n        print(f"step {found.finding.step}: {found}")\n'
    )


def _title(replayed: Replayed) -> str:
    trace = replayed.trace
    name = f"{trace.failure_mode} {replayed.mode.title}" if replayed.mode else "The guarded system"
    verb = f"breaks {trace.breaks.invariant}" if trace.breaks.invariant else "diverges from the model"
    where = f"at step {trace.breaks.step}" if trace.breaks.step else "in the recovery"
    return f"{name} {verb} {where}"


def _test_name(replayed: Replayed) -> str:
    trace = replayed.trace
    words = f"test {trace.failure_mode or 'guarded'} {trace.breaks.invariant or 'diverges'}"
    return re.sub(r"\W+", "_", words.lower())


def _imported(trace: Trace, names: tuple[str, ...]) -> str:
    """The imports: names of the checker, and the actions."""
    scope = _scope(trace.scope)
    more = [
        name
        for name in ("Granularity", "Settings", "StoreKind")
        if f"{name}(" in scope or f"{name}." in scope
    ]
    checker = ", ".join(
        sorted([*names, *more], key=lambda name: (not name.isupper(), name[0].islower(), name))
    )
    actions = ", ".join(sorted({type(action).__name__ for action in trace.actions}))
    lines = [
        f"from {_PACKAGE}failure_modes.checker import {checker}",
        f"from {_PACKAGE}model.actions import {actions}",
    ]
    return "\n".join(lines)


def _action(action: Action) -> str:
    given = [
        f"{field.name}={_literal(getattr(action, field.name))}"
        for field in fields(type(action))
        if getattr(action, field.name) != field.default
    ]
    return f"{type(action).__name__}({', '.join(given)})"


def _scope(scope: Scope) -> str:
    given = []
    for field in fields(Scope):
        value = getattr(scope, field.name)
        if field.name == "settings":
            if value != Settings():
                given.append(f"settings=Settings({', '.join(_differing(value))})")
        elif value != field.default:
            given.append(f"{field.name}={_literal(value)}")
    return f"Scope({', '.join(given)})"


def _differing(settings: Settings) -> list[str]:
    usual = Settings()
    return [
        f"{field.name}={_literal(getattr(settings, field.name))}"
        for field in fields(Settings)
        if getattr(settings, field.name) != getattr(usual, field.name)
    ]


def _literal(value: Any) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
