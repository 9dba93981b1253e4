"""The command `prevent`: the search of a failure mode with the fault put right."""

from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import BREAKS, Mode, asked_of, check_store, scoped, tuned, tuning
from failure_modes.checker.cli.output import fail, show
from failure_modes.checker.cli.searches import (
    Searched,
    add_search,
    code_of_all,
    guarded_code,
    search_of,
    search_shown,
)
from failure_modes.checker.cli.settings_options import settings, ticking, with_settings
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import met, reached, trace_of, unreached
from failure_modes.checker.search.machine import Result
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace


@command()
@click.argument("mode", metavar="FM", type=Mode())
@BREAKS
@tuning(examples=None)
@settings
def prevent(mode: FailureMode, breaks: str | None, **options: Any) -> EXIT:
    """Run FM's search with the fault put right: nothing may break, and the danger must be met."""
    return code_of_all(prevent_each(guards_of(mode) if breaks is None else asked_of(mode, breaks), options))


def prevent_each(modes: tuple[FailureMode, ...], options: dict[str, Any]) -> list[Searched]:
    """Search each of them for anything; after an interruption no other search is begun."""
    searched: list[Searched] = []
    for mode in modes:
        examples = options["examples"] or mode.expected.examples
        searched.append(_try_one(mode, {**options, "examples": examples}))
        if searched[-1].interrupted:
            break
    return searched


def _try_one(mode: FailureMode, options: dict[str, Any]) -> Searched:
    """Search for anything, and show what came of it."""
    if (unknown := unknown_of(mode.expected.must_reach)) is not None:
        fail(f"{mode.id}: must_reach in its scenario.py: {unknown}")
    scope = with_settings(scoped(mode.scope, options), options)
    strategy = ticking(tuned(mode.strategy, options), mode.scope, scope)
    check_store(mode, scope)
    what = f"{mode.id}: trying it with the fault put right"
    result = search_shown(what, search_of(scope, strategy, mode.control, None, options))
    trace = trace_of(None, scope, result, "")
    missing = unreached(mode.expected.must_reach, result)
    _tell(mode, result, trace)
    code = guarded_code(result, missing)
    said = {"failure_mode": mode.id, "target": None, "unreached": list(missing)}
    add_search(result, scope, trace, code, **said)
    return Searched(result=result, code=code)


def _tell(mode: FailureMode, result: Result, trace: Trace | None) -> None:
    if trace is not None:
        show(rendered(replay(trace, base=mode.control)))
        return
    without = f", {mode.control_note}" if mode.control_note else ""
    show(f"{mode.id} {mode.title}{without}: prevented by {mode.policy}; {met(result)}")
    if mode.expected.must_reach:
        show(reached(mode.expected.must_reach, result))
