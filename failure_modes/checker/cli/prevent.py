"""The command `prevent`: the search of a failure mode with the fault put right."""

from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import BREAKS, Mode, check_store, modes_to_try, scoped, tuned, tuning
from failure_modes.checker.cli.output import fail, show
from failure_modes.checker.cli.search_output import (
    SearchOutcome,
    add_search,
    code_of_all,
    guarded_code,
    run_search,
)
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
def prevent(mode: FailureMode, breaks: str | None, **options: Any) -> EXIT:
    """Run FM's search with the fault put right: nothing may break, and the danger must be met."""
    return code_of_all(
        prevent_each(guards_of(mode) if breaks is None else modes_to_try(mode, breaks), options)
    )


def prevent_each(modes: tuple[FailureMode, ...], options: dict[str, Any]) -> list[SearchOutcome]:
    """Search each of them for anything; after an interruption no other search is begun."""
    searched: list[SearchOutcome] = []
    for mode in modes:
        examples = options["examples"] or mode.expected.examples
        searched.append(_try_one(mode, {**options, "examples": examples}))
        if searched[-1].interrupted:
            break
    return searched


def _try_one(mode: FailureMode, options: dict[str, Any]) -> SearchOutcome:
    """Search for anything, and show what came of it."""
    if (unknown := unknown_of(mode.expected.must_reach)) is not None:
        fail(f"{mode.id}: must_reach in its scenario.py: {unknown}")
    scope, strategy = scoped(mode.scope, options), tuned(mode.strategy, options)
    check_store(mode, scope)
    what = f"{mode.id}: trying it with the fault put right"
    result = run_search(what, scope, strategy, mode.control, None, options)
    trace = trace_of(None, scope, result, "")
    missing = unreached(mode.expected.must_reach, result)
    _show(mode, result, trace)
    code = guarded_code(result, missing)
    said = {"failure_mode": mode.id, "target": None, "unreached": list(missing)}
    add_search(result, scope, trace, code, **said)
    return SearchOutcome(result=result, code=code)


def _show(mode: FailureMode, result: Result, trace: Trace | None) -> None:
    if trace is not None:
        show(rendered(replay(trace, base=mode.control)))
        return
    without = f", {mode.control_note}" if mode.control_note else ""
    show(f"{mode.id} {mode.title}{without}: prevented by {mode.policy}; {met(result)}")
    if mode.expected.must_reach:
        show(reached(mode.expected.must_reach, result))
