"""The command `prevent`: it runs the search of a failure mode without the fault."""

from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import (
    BREAKS,
    DRAWING,
    Mode,
    check_store,
    modes_to_try,
    scoped,
    tuned,
    tuning,
)
from failure_modes.checker.cli.output import fail, output, show
from failure_modes.checker.cli.saving import saved, say_saved
from failure_modes.checker.cli.search_output import (
    SearchOutcome,
    add_search,
    code_of_all,
    guarded_code,
    run_search,
    search_with,
)
from failure_modes.checker.cli.settings_options import settings, with_settings
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import reached, totals, trace_of, unreached
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.search.search import Result
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace


@command()
@click.argument("mode", metavar="FM", type=Mode())
@BREAKS
@DRAWING
@tuning(examples=None)
@settings
def prevent(mode: FailureMode, breaks: str | None, **options: Any) -> EXIT:
    """Run FM's search without the fault: nothing may break, and the danger must be reached."""
    return code_of_all(
        prevent_each(guards_of(mode) if breaks is None else modes_to_try(mode, breaks), options)
    )


def prevent_each(modes: tuple[FailureMode, ...], options: dict[str, Any]) -> list[SearchOutcome]:
    """Search the control of each. After an interruption no further search begins."""
    searched: list[SearchOutcome] = []
    for mode in modes:
        examples = options["examples"] or mode.expected.examples
        searched.append(_try_one(mode, {**options, "examples": examples}))
        if searched[-1].interrupted:
            break
    return searched


def _try_one(mode: FailureMode, options: dict[str, Any]) -> SearchOutcome:
    """Search the control for any break, and show the result."""
    if (unknown := unknown_of(mode.expected.must_reach)) is not None:
        fail(f"{mode.id}: must_reach in its scenario.py: {unknown}")
    scope = with_settings(scoped(mode.scope, options), options)
    strategy = tuned(mode.strategy, options)
    check_store(mode, scope)
    label = f"{mode.id}: searching without the fault"
    search = search_with(scope, strategy, mode.control, None, options)
    result = run_search(label, search, options["driver"])
    trace = trace_of(None, scope, result, "")
    missing = unreached(mode.expected.must_reach, result)
    at = saved(trace, None) if trace else None
    _show(mode, result, trace)
    say_saved(at)
    code = guarded_code(result, missing)
    values = {"failure_mode": mode.id, "target": None, "unreached": list(missing)}
    add_search(result, scope, trace, code, saved=at, **values)
    return SearchOutcome(result=result, code=code)


def _show(mode: FailureMode, result: Result, trace: Trace | None) -> None:
    if trace is not None:
        show(rendered(replay(trace, control=mode.control), look=output().look))
        return
    without = f", {mode.control_note}" if mode.control_note else ""
    show(f"{mode.id} {mode.title}{without}: prevented by {mode.policy}; {totals(result)}")
    if mode.expected.must_reach:
        show(reached(mode.expected.must_reach, result))
