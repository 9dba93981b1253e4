"""The command `find`: it searches the broken system, and shows the minimised trace."""

from pathlib import Path
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import (
    BREAKS,
    DRIVER,
    KEEP,
    WHY,
    Mode,
    check_store,
    modes_to_try,
    scoped,
    tuned,
    tuning,
)
from failure_modes.checker.cli.output import fail, output, show, warn
from failure_modes.checker.cli.paths import check_new, command_line, shown_path
from failure_modes.checker.cli.saving import (
    SAVE,
    as_code,
    check_free,
    only_code,
    print_code,
    saved,
    say_saved,
)
from failure_modes.checker.cli.search_output import (
    SearchOutcome,
    add_search,
    code_of_all,
    idle_described,
    run_search,
    search_with,
    skipped_described,
)
from failure_modes.checker.cli.settings_options import as_given, settings, with_settings
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import DIVERGENCE, Target
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import trace_of
from failure_modes.checker.search.search import Result
from failure_modes.checker.support import interrupts
from failure_modes.checker.traces.database import keep, path_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Breaks, Trace

FIND_EXAMPLES = 5_000

INTERRUPTED = "interrupted, perhaps not shortest"
"""Marks the shortest trace of a search that was interrupted while it shortened what it had found."""


@command()
@click.argument("mode", metavar="FM", type=Mode())
@BREAKS
@DRIVER
@click.option("--diverges", is_flag=True, help="Look for the first divergence from the model instead.")
@tuning(examples=FIND_EXAMPLES)
@settings
@KEEP
@WHY
@SAVE
@as_code
def find(
    mode: FailureMode,
    breaks: str | None,
    *,
    diverges: bool,
    keep_as: str | None,
    why: str,
    file: Path | None,
    form: str | None,
    **options: Any,
) -> EXIT:
    """Search the broken system until FM breaks its invariant, and shrink the trace.

    With --diverges, until it differs from the model, whatever invariants break on the way.

    If FM breaks more than one invariant, each has a search. --keep, --why and --save are for the first of
    them, unless --breaks names one.
    """
    only_code(form)
    check_free(file)
    if keep_as is not None:
        check_new(mode, keep_as)
    if diverges and breaks is not None:
        raise click.UsageError("--diverges searches for no invariant; leave out --breaks")
    if diverges and options["driver"] == "explore":
        raise click.UsageError("--diverges needs a driver that draws: the explorer compares no counts")
    modes = (mode,) if diverges else modes_to_try(mode, breaks)
    searched = find_each(modes, {**options, "diverges": diverges, "form": form}, keep_as, why, file)
    if form is not None:
        print_code(form, [(replay(one.trace), one.saved) for one in searched if one.trace is not None])
    code = code_of_all(searched)
    if searched[-1].interrupted and output().stage is None:  # `run` says in its own last line how it ended
        output().end(interrupts.exit_code())
    return code


def find_each(
    modes: tuple[FailureMode, ...],
    options: dict[str, Any],
    keep_as: str | None = None,
    why: str = "",
    file: Path | None = None,
) -> list[SearchOutcome]:
    """Search for the target of each. After an interruption no further search begins."""
    searched: list[SearchOutcome] = []
    for mode in modes:
        if not mode.has_fault:
            fail(f"{mode.id}: the fault in its scenario.py does not change the queue; write the fault first")
        searched.append(_find_one(mode, keep_as, why, file, options))
        keep_as, why, file = None, "", None
        if searched[-1].interrupted:
            break
    return searched


def _find_one(
    mode: FailureMode, keep_as: str | None, why: str, file: Path | None, options: dict[str, Any]
) -> SearchOutcome:
    """Search for the target, save the trace, show the result, and keep the trace if `keep_as` is a name.

    A search that was stopped while it shortened its trace keeps nothing: it saves the shortest trace so far.
    """
    scope = with_settings(scoped(mode.scope, options), options)
    strategy = tuned(mode.strategy, options)
    check_store(mode, scope)
    target = DIVERGENCE if options["diverges"] else mode.target
    label = f"{mode.id}: searching for {f'a break of {target}' if target.invariant else target}"
    early = list[Path | None]()

    def first(found: Found) -> None:
        breaks = Breaks(invariant=found.finding.invariant, step=found.finding.step)
        why = f"not shrunk yet: {found.finding.got}"
        trace = Trace(failure_mode=mode.id, scope=scope, breaks=breaks, why=why, actions=found.actions)
        early.append(saved(trace, None))

    bounds = _bounds(mode, strategy, options)
    search = search_with(
        scope, strategy, mode.fault, target, options, bounds=bounds, symmetric=mode.symmetric
    )
    result = run_search(label, search, options["driver"], first)
    trace = trace_of(mode, scope, result, why)
    if trace is not None and result.statistics.interrupted:
        trace = evolve(trace, why=f"{INTERRUPTED}: {trace.why}")
    not_kept, at = None, None
    if trace is not None and result.stopped_early:
        not_kept, keep_as = keep_as, None
    if trace is not None and (file or not keep_as):
        at = saved(trace, file)
    if trace is not None and keep_as:
        keep(mode, keep_as, trace)
    for path in early:  # the minimised trace takes its place
        if path is not None and path != at:
            path.unlink(missing_ok=True)
    _show(mode, target, result, trace, at, keep_as, options)
    if trace is not None and keep_as:
        click.echo(f" kept: {shown_path(path_of(mode, keep_as))}", err=output().json or output().quiet)
    if not_kept is not None:
        warn(f"not kept as {not_kept}: the search was stopped before its trace was as short as it can be")
    code = EXIT.AS_EXPECTED if trace else EXIT.INCONCLUSIVE if result.stopped_early else EXIT.NOT_AS_EXPECTED
    drew = result.statistics.examples > 0
    idle = idle_described(result) if drew and not trace and not result.stopped_early else None
    if idle is not None:
        warn(f"{mode.id}: {idle}")
        code = EXIT.INCONCLUSIVE
    if result.statistics.interrupted:  # the trace may not be the shortest, and other searches are missing
        code = EXIT.INCONCLUSIVE
    add_search(
        result, scope, trace, code, failure_mode=mode.id, target=target.invariant or "divergence", saved=at
    )
    kept_at = path_of(mode, keep_as) if trace is not None and keep_as else at
    return SearchOutcome(result=result, code=code, trace=trace, saved=kept_at)


def _show(
    mode: FailureMode,
    target: Target,
    result: Result,
    trace: Trace | None,
    at: Path | None,
    keep_as: str | None,
    options: dict[str, Any],
) -> None:
    if trace is not None:
        kept_at = shown_path(path_of(mode, keep_as)) if keep_as else None
        again = command_line("replay", kept_at) if kept_at else _again(mode, options)
        show(rendered(replay(trace), command=again, look=output().look))
        say_saved(at)
        show(_found_line(result))
        return
    what = f"{target} did not break" if target.invariant else "the system did not diverge from the model"
    tried = f"{mode.id} {mode.title}: {what} in {_tried(result)}"
    more = "try more --steps or --examples"
    if options["driver"] == "explore":
        more = "these are all states in the bounds of its scenario.py; try another driver"
    if result.stopped_early:
        more = "the search was interrupted" if result.statistics.interrupted else "--seconds ended the search"
    show(f"{tried}; {more}{skipped_described(result, '; ')}")


def _found_line(result: Result) -> str:
    statistics = result.statistics
    seconds = statistics.seconds_to_first or 0.0
    if statistics.is_minimal:
        return f" found in {_tried(result)} after {seconds:.1f} s; no shorter trace exists in them"
    lines = [f" found in example {statistics.examples_to_first} after {seconds:.1f} s"]
    if not statistics.interrupted:
        lines.append(f"shrunk after {statistics.stopwatch.seconds:.1f} s")
    if result.statistics.interrupted:
        lines.append(INTERRUPTED)
    elif result.stopped_early:
        lines.append("but a shorter trace may exist, because --seconds ended the search")
    elif not result.is_minimal:
        lines.append("but a shorter trace may exist: there are too many traces to try all of them")
    return ", ".join(lines) + skipped_described(result, "; ")


def _tried(result: Result) -> str:
    """What was tried before the finding, or without one: states of the explorer, or examples."""
    statistics = result.statistics
    explored = statistics.explored
    if explored is not None and (statistics.is_minimal or not statistics.examples):
        return f"{explored.states:,} states"
    return f"{statistics.examples:,} examples"


def _bounds(mode: FailureMode, strategy: Strategy, options: dict[str, Any]) -> Bounds | None:
    """The bounds in which the explorer may look; None if it must not be asked.

    It is asked first only for the search of the scenario: bounds say nothing of weights and numbers of draws.
    """
    if options["driver"] is None and (options["diverges"] or strategy != mode.strategy):
        return None
    never = [action for action, weight in options["weights"] if not weight]
    bounds = evolve(mode.bounds, jobs=options["jobs"] or mode.bounds.jobs)
    return bounds.without(*never)


def _again(mode: FailureMode, options: dict[str, Any]) -> str:
    """The command that repeats the search."""
    given = ["--breaks", mode.breaks] if mode.breaks != failure_mode(mode.id).breaks else []
    given += ["--diverges"] * options["diverges"]
    given += ["--seed", str(options["seed"])]
    if options["examples"] != FIND_EXAMPLES:
        given += ["--examples", str(options["examples"])]
    for key in ("driver", "steps", "jobs", "workers", "granularity", "store"):
        if options[key]:
            given += [f"--{key}", str(options[key])]
    given += ["--within-statements"] * bool(options["within_statements"])
    for action, weight in options["weights"]:
        given += ["--weight", f"{action}={weight}"]
    return command_line("find", mode.id, *given, *as_given(options))
