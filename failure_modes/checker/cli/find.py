"""The commands `find` and `prevent`: a search with the fault put in, and with the fault put right."""

import json
import shlex
from typing import Any

import click
from attrs import frozen

from failure_modes.checker.cli.exits import EXIT, check_new, fail, leave, shown_path, usage, worst
from failure_modes.checker.cli.options import BREAKS, Mode, asked_of, check_store, scoped, tuned, tuning
from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.scope import Scope, Swap
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Hunt
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.report.progress import shown
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import as_json, met, reached, trace_of, unreached
from failure_modes.checker.search.machine import Result, Search, run
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.traces.database import keep, path_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace

FIND_EXAMPLES = 5_000


def search_shown(
    what: str, scope: Scope, strategy: Strategy, swap: Swap, hunted: Hunt | None, options: dict[str, Any]
) -> Result:
    """Search, and show how far it has come."""
    search = Search(
        scope=scope,
        strategy=strategy,
        swap=swap,
        hunted=hunted,
        seed=options["seed"],
        examples=options["examples"],
        seconds_max=options["seconds"],
    )
    with shown(what, search.examples) as progress:
        return run(search, progress)


@click.command()
@click.argument("mode", metavar="FM", type=Mode())
@BREAKS
@tuning(examples=FIND_EXAMPLES)
@click.option("--keep", "keep_as", metavar="NAME", help="Keep the trace in the failure mode's folder.")
@click.option("--why", default="", help="One sentence to keep with the trace.")
def find(mode: FailureMode, breaks: str | None, keep_as: str | None, why: str, **options: Any) -> None:
    """Search the broken system until FM breaks its invariant, and shrink the trace.

    What else it breaks is then searched for, too. Of --keep and --why, and in the JSON object, the first is
    meant, unless --breaks says which.
    """
    if not mode.has_fault:
        fail(f"{mode.id}: the fault in its scenario.py gives the queue back as it is; put the fault in first")
    if keep_as is not None:
        check_new(mode, keep_as)
    answers = []
    for one in asked_of(mode, breaks):
        answers.append(_found(one, keep_as, why, options))
        keep_as, why = None, ""
        if answers[-1].interrupted:
            break
    _leave(answers, options)


@frozen(kw_only=True)
class _Answer:
    """What came of one search: as JSON, and as an exit code."""

    said: dict[str, Any]
    code: EXIT
    interrupted: bool


def _leave(answers: list[_Answer], options: dict[str, Any]) -> None:
    if any(answer.interrupted for answer in answers):
        click.echo("interrupted", err=True)
    if options["json_"]:
        first, *others = [answer.said for answer in answers]
        click.echo(json.dumps({**first, "then": others}))
    leave(worst([answer.code for answer in answers]))


def _found(mode: FailureMode, keep_as: str | None, why: str, options: dict[str, Any]) -> _Answer:
    """Search for what it breaks, show what came of it, and keep it if asked."""
    scope, strategy = scoped(mode.scope, options), tuned(mode.strategy, options)
    check_store(mode, scope)
    what = f"{mode.id}: looking for {mode.breaks}"
    result = search_shown(what, scope, strategy, mode.fault, mode.target, options)
    trace = trace_of(mode, scope, result, why)
    if trace is not None and keep_as:
        usage(keep, mode, keep_as, trace)
    if not options["json_"]:
        _tell(mode, result, trace, keep_as, options)
    if trace is not None and keep_as:
        click.echo(f" kept: {shown_path(path_of(mode, keep_as))}", err=options["json_"])
    code = EXIT.AS_EXPECTED if trace else EXIT.BOUND_HIT if result.bound_hit else EXIT.NOT_AS_EXPECTED
    if result.tally.interrupted:  # the trace may not be the shortest, and the rest was not searched for
        code = EXIT.BOUND_HIT
    said = {"hunts": mode.breaks, **as_json(result, trace)}
    return _Answer(said=said, code=code, interrupted=result.tally.interrupted)


def _tell(
    mode: FailureMode, result: Result, trace: Trace | None, keep_as: str | None, options: dict[str, Any]
) -> None:
    if trace is not None:
        path = path_of(mode, keep_as) if keep_as else None
        command = f"nox -s replay -- {shown_path(path)}" if path else _command(mode, options)
        click.echo(rendered(replay(trace), command=command))
        click.echo(_found_line(result))
        return
    tried = f"{mode.id} {mode.title}: {mode.breaks} was not broken in {result.tally.examples:,} examples"
    more = "try more --steps or --examples"
    if result.bound_hit:
        more = "it was interrupted" if result.tally.interrupted else "it was stopped; give it more time"
    click.echo(f"{tried}; {more}{_asides(result, '; ')}")


@click.command()
@click.argument("mode", metavar="FM", type=Mode())
@BREAKS
@tuning(examples=None)
def prevent(mode: FailureMode, breaks: str | None, **options: Any) -> None:
    """Run FM's search with the fault put right: nothing may break, and the danger must be met."""
    answers = []
    for one in guards_of(mode) if breaks is None else asked_of(mode, breaks):
        answers.append(_tried(one, {**options, "examples": options["examples"] or one.expected.examples}))
        if answers[-1].interrupted:
            break
    _leave(answers, options)


def _tried(mode: FailureMode, options: dict[str, Any]) -> _Answer:
    """Search for anything, and show what came of it."""
    if (unknown := unknown_of(mode.expected.must_reach)) is not None:
        fail(f"{mode.id}: must_reach in its scenario.py: {unknown}")
    scope, strategy = scoped(mode.scope, options), tuned(mode.strategy, options)
    check_store(mode, scope)
    result = search_shown(
        f"{mode.id}: trying it with the fault put right", scope, strategy, mode.control, None, options
    )
    trace = trace_of(None, scope, result, "")
    missing = unreached(mode.expected.must_reach, result)
    if not options["json_"]:
        _tell_tried(mode, result, trace)
    return _Answer(
        said={"hunts": None, **as_json(result, trace), "unreached": list(missing)},
        code=guarded_code(result, missing),
        interrupted=result.tally.interrupted,
    )


def _tell_tried(mode: FailureMode, result: Result, trace: Trace | None) -> None:
    if trace is not None:
        click.echo(rendered(replay(trace, base=mode.control)))
        return
    without = f", {mode.control_note}" if mode.control_note else ""
    click.echo(f"{mode.id} {mode.title}{without}: prevented by {mode.policy}; {met(result)}")
    if mode.expected.must_reach:
        click.echo(reached(mode.expected.must_reach, result))


def guarded_code(result: Result, missing: tuple[str, ...]) -> EXIT:
    """How a search ends where nothing may break; says on standard error what it never met."""
    if result.finding is not None:
        return EXIT.NOT_AS_EXPECTED
    if result.tally.interrupted:
        return EXIT.BOUND_HIT
    if missing:
        click.echo(
            f"never reached: {', '.join(missing)}; it proves nothing: try more --examples, or "
            "a higher --weight of the actions that lead there",
            err=True,
        )
    return EXIT.BOUND_HIT if result.bound_hit or missing else EXIT.AS_EXPECTED


def _found_line(result: Result) -> str:
    tally = result.tally
    lines = [f" found in example {tally.examples_to_first} after {tally.seconds_to_first or 0.0:.1f} s"]
    lines.append(f"shrunk after {tally.stopwatch.seconds:.1f} s")
    if result.bound_hit:
        how = "interrupted" if result.tally.interrupted else "stopped"
        lines.append(f"and not as short as it could be, for it was {how}")
    elif not result.sure:
        lines.append("and perhaps not to the shortest: there are too many traces to try them all")
    return ", ".join(lines) + _asides(result, ", ")


def _asides(result: Result, before: str) -> str:
    asides = sorted(result.tally.asides.items())
    told = ", ".join([f"{name} {count} times" for name, count in asides])
    return f"{before}left aside where another broke first: {told}" if asides else ""


def _command(mode: FailureMode, options: dict[str, Any]) -> str:
    given = [f"--breaks {mode.breaks}"] if mode.breaks != failure_mode(mode.id).breaks else []
    given.append(f"--seed {options['seed']}")
    if options["examples"] != FIND_EXAMPLES:
        given.append(f"--examples {options['examples']}")
    given += [
        f"--{key} {options[key]}"
        for key in ("steps", "jobs", "workers", "granularity", "store")
        if options[key]
    ]
    given += [f"--weight {shlex.quote(f'{action}={weight}')}" for action, weight in options["weights"]]
    return " ".join(["python -m failure_modes find", mode.id, *given])
