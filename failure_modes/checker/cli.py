"""The command line of the checker. Exit codes: see `EXIT`."""

import json
import shlex
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.catalogue import FailureMode, UnknownFailureMode, catalogue, failure_mode
from failure_modes.checker.cli_all import all_
from failure_modes.checker.cli_chaos import chaos
from failure_modes.checker.cli_fidelity import fidelity
from failure_modes.checker.cli_hunt import hunt_and_show
from failure_modes.checker.cli_matrix import matrix_
from failure_modes.checker.cli_power import power
from failure_modes.checker.cli_prove import prove
from failure_modes.checker.cli_repeat import repeat
from failure_modes.checker.cli_seeds import seeds_
from failure_modes.checker.database import keep, kept, path_of, save
from failure_modes.checker.disk.vfs import NoVFS
from failure_modes.checker.documents import documents
from failure_modes.checker.exits import EXIT, check_new, fail, leave, shown_path, usage
from failure_modes.checker.machine import Result, Search, run
from failure_modes.checker.options import STORE, Mode, check_store, tuned, tuning
from failure_modes.checker.progress import shown
from failure_modes.checker.real import real_world_of
from failure_modes.checker.replay import replay
from failure_modes.checker.scaffold import NotLaidOut, lay_out
from failure_modes.checker.scope import StoreKind, Swap, guarded
from failure_modes.checker.strategy import UNRESTRICTED, Strategy
from failure_modes.checker.summary import (
    as_json,
    everything_reached,
    explored,
    properties,
    reached,
    trace_of,
    unreached,
)
from failure_modes.checker.telling import steps_told
from failure_modes.checker.trace import Trace, TraceError, load
from failure_modes.checker.worlds import NoWorld, world_of

FIND_EXAMPLES = 5_000
EXPLORE_EXAMPLES = 2_000


def _search(what: str, strategy: Strategy, swap: Swap, hunted: str | None, options: dict[str, Any]) -> Result:
    search = Search(
        strategy=strategy,
        swap=swap,
        hunted=hunted,
        seed=options["seed"],
        examples=options["examples"],
        seconds_max=options["seconds"],
    )
    with shown(what, search.examples) as progress:
        return run(search, progress)


class _Commands(click.Group):
    """The commands; what cannot be done on this Python is said in one line, whichever asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run one."""
        try:
            return super().invoke(ctx)
        except (NoVFS, NoWorld) as error:
            click.echo(f"cannot be done here: {error}", err=True)
            leave(EXIT.BOUND_HIT)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Find, prevent, replay and hunt the ways in which a job queue fails.

    \b
    python -m failure_modes find FM_001                 the break, shrunk
    python -m failure_modes prevent FM_001              the same search against the fix
    python -m failure_modes prove FM_001                every reachable state: the shortest break, and the fix
    python -m failure_modes replay TRACE                a kept trace, run again
    python -m failure_modes explore --examples 5000     a free hunt on the guarded system
    python -m failure_modes matrix                      which policy is needed for what
    python -m failure_modes new FM_099 name             the folder of a new failure mode

    \b
    Exit codes: 0 as expected; 1 a violation where none was expected, or none where one was;
    2 bad usage or not a trace; 3 a bound was hit before the question was answered.
    """


@main.command("list")
def list_() -> None:
    """List the failure modes and their kept traces."""
    for mode in catalogue():
        click.echo(f"{mode.id}  {mode.title}: breaks {mode.breaks}, prevented by the {mode.policy}")
        for path, trace in _kept(mode):
            click.echo(f"        {path.name}  {steps_told(len(trace.actions))}, {trace.scope.granularity}")


@main.command()
@click.argument("mode", metavar="FM", type=Mode())
@tuning(examples=FIND_EXAMPLES)
@click.option("--keep", "keep_as", metavar="NAME", help="Keep the trace in the failure mode's folder.")
@click.option("--why", default="", help="One sentence to keep with the trace.")
def find(mode: FailureMode, keep_as: str | None, why: str, **options: Any) -> None:
    """Search the broken system until FM breaks its invariant, and shrink the trace."""
    if not mode.has_fault:
        fail(f"{mode.id}: the swap in its scenario.py gives the queue back as it is; put the fault in first")
    if keep_as is not None:
        check_new(mode, keep_as)
    strategy = tuned(mode.strategy, options)
    check_store(mode, strategy.scope)
    result = _search(f"{mode.id}: looking for {mode.breaks}", strategy, mode.swap, mode.breaks, options)
    trace = trace_of(mode, strategy.scope, result, why)
    if trace is not None and keep_as:
        usage(keep, mode, keep_as, trace)
    if options["json_"]:
        click.echo(json.dumps(as_json(result, trace)))
    elif trace is not None:
        path = path_of(mode, keep_as) if keep_as else None
        command = f"nox -s replay -- {shown_path(path)}" if path else _command("find", mode, options)
        click.echo(replay(trace, command=command).text)
        click.echo(_found_line(result))
    else:
        tried = f"{mode.id} {mode.title}: {mode.breaks} was not broken in {result.tally.examples:,} examples"
        more = "it was stopped; give it more time" if result.bound_hit else "try more --examples"
        click.echo(f"{tried}; {more}{_asides(result, '; ')}")
    if trace is not None and keep_as:
        click.echo(f" kept: {shown_path(path_of(mode, keep_as))}", err=options["json_"])
    leave(EXIT.AS_EXPECTED if trace else EXIT.BOUND_HIT if result.bound_hit else EXIT.NOT_AS_EXPECTED)


@main.command()
@click.argument("mode", metavar="FM", type=Mode())
@tuning(examples=None)
def prevent(mode: FailureMode, **options: Any) -> None:
    """Run FM's search against the guarded system: nothing may break, and the danger must be met."""
    options["examples"] = options["examples"] or mode.prevent_examples
    strategy = tuned(mode.strategy, options)
    check_store(mode, strategy.scope)
    result = _search(f"{mode.id}: trying the guarded system", strategy, guarded, None, options)
    trace = trace_of(None, strategy.scope, result, "")
    missing = unreached(mode.must_reach, result)
    if options["json_"]:
        click.echo(json.dumps({**as_json(result, trace), "unreached": list(missing)}))
    elif trace is not None:
        click.echo(replay(trace).text)
    else:
        click.echo(f"{mode.id} {mode.title}: prevented by the {mode.policy}; {_met(result)}")
        click.echo(reached(mode.must_reach, result))
    _leave_guarded(result, missing)


@main.command("replay")
@click.argument("paths", metavar="TRACE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--guarded", "on_guarded", is_flag=True, help="On the guarded system: nothing may break.")
@click.option("--processes", "really", is_flag=True, help="With real processes, killed by SIGKILL.")
@STORE
def replay_(paths: tuple[Path, ...], *, on_guarded: bool, really: bool, store: str | None) -> None:
    """Run kept traces again: each must break the same invariant at the same step."""
    right = [_replayed(path, on_guarded=on_guarded, really=really, store=store) for path in paths]
    leave(EXIT.AS_EXPECTED if all(right) else EXIT.NOT_AS_EXPECTED)


def _replayed(path: Path, *, on_guarded: bool, really: bool, store: str | None) -> bool:
    """Show one, and say whether it is as expected."""
    try:
        trace = load(path)
        if store is not None:
            trace = evolve(trace, scope=evolve(trace.scope, store=StoreKind(store)))
        if really and trace.scope.store is not StoreKind.SQLITE:
            raise click.UsageError("--processes is for the store sqlite")
        if trace.failure_mode is not None:
            _known(path, trace.failure_mode)
        options = " --guarded" * on_guarded + " --processes" * really + (f" --store {store}" if store else "")
        command = f"nox -s replay -- {shown_path(path)}{options}"
        world = real_world_of if really else world_of
        replayed = replay(trace, guarded=on_guarded, command=command, world=world)
    except TraceError as error:
        fail(str(error))
    click.echo(replayed.text)
    if not replayed.as_expected:
        what = f"break {trace.breaks.invariant}" if trace.breaks.invariant else "part from the model"
        where = f"step {trace.breaks.step}" if trace.breaks.step else "the end"
        expected = "to hold" if on_guarded else f"to {what} at {where}"
        skipped = f"; {len(replayed.skipped)} actions could not happen" if replayed.skipped else ""
        click.echo(f" not as expected: the trace was {expected}{skipped}")
    return replayed.as_expected


@main.command()
@tuning(examples=EXPLORE_EXAMPLES)
@click.option("--reach-all", is_flag=True, help="Fail unless every `sometimes` property was reached.")
@click.option("--save", "file", type=click.Path(path_type=Path), help="Write a violation's trace here.")
@click.option(
    "--off", type=click.IntRange(1, 200), help="Switch off so many random sets of policies instead."
)
def explore(file: Path | None, *, reach_all: bool, off: int | None, **options: Any) -> None:
    """Hunt freely on the guarded system, and say what was reached.

    With --off, on broken ones: for each set of policies, which invariants break, and which policies it takes.
    """
    strategy = tuned(UNRESTRICTED, options)
    if off is not None:
        if reach_all or file is not None:
            raise click.UsageError("--off takes neither --reach-all nor --save: breaks are what it looks for")
        hunt_and_show(strategy, off, options)
    result = _search("exploring the guarded system", strategy, guarded, None, options)
    trace = trace_of(None, strategy.scope, result, "found by exploring the guarded system")
    if options["json_"]:
        click.echo(json.dumps({**as_json(result, trace), **explored(result)}))
    else:
        if trace is not None:
            click.echo(replay(trace).text)
        click.echo(f"explored the guarded system: {_met(result)}")
        click.echo(everything_reached(strategy.scope, result))
    if trace is not None and file is not None:
        usage(save, file, trace)
    wanted = properties(strategy.scope) if reach_all else ()
    _leave_guarded(result, unreached(wanted, result))


@main.command()
@click.argument("number")
@click.argument("name")
def new(number: str, name: str) -> None:
    """Lay out the folder of a new failure mode, with tests that fail until they are filled in."""
    try:
        folder = lay_out(number, name)
    except NotLaidOut as error:
        fail(str(error))
    click.echo(f"made: {shown_path(folder)}")
    click.echo(f"next: fill in spec.md and scenario.py, then python -m failure_modes find {folder.name[:6]}")


main.add_command(all_)
main.add_command(repeat)
main.add_command(prove)
main.add_command(matrix_)
main.add_command(fidelity)
main.add_command(chaos)
main.add_command(seeds_)
main.add_command(power)


@main.command()
@click.option("--check", is_flag=True, help="Only say whether they are fresh; exit 1 if not.")
def docs(*, check: bool) -> None:
    """Write the generated documents: the state model and the index of failure modes."""
    fresh = documents()
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not check:
            path.write_text(fresh[path])
        click.echo(f"{'stale' if check else 'written'}: {shown_path(path)}")
    if not stale:
        click.echo("the generated documents are fresh")
    leave(EXIT.NOT_AS_EXPECTED if check and stale else EXIT.AS_EXPECTED)


def _leave_guarded(result: Result, missing: tuple[str, ...]) -> None:
    if result.finding is not None:
        leave(EXIT.NOT_AS_EXPECTED)
    if missing:
        click.echo(
            f"never reached: {', '.join(missing)}; it proves nothing: try more --examples, or "
            "a higher --weight of the actions that lead there",
            err=True,
        )
    leave(EXIT.BOUND_HIT if result.bound_hit or missing else EXIT.AS_EXPECTED)


def _met(result: Result) -> str:
    tally = result.tally
    return f"{tally.examples:,} examples, {tally.steps:,} steps, {len(tally.states):,} distinct states"


def _found_line(result: Result) -> str:
    tally = result.tally
    lines = [f" found in example {tally.examples_to_first} after {tally.seconds_to_first or 0.0:.1f} s"]
    lines.append(f"shrunk after {tally.stopwatch.seconds:.1f} s")
    if result.bound_hit:
        lines.append("and not as short as it could be, for it was stopped")
    return ", ".join(lines) + _asides(result, ", ")


def _asides(result: Result, before: str) -> str:
    asides = sorted(result.tally.asides.items())
    told = ", ".join([f"{name} {count} times" for name, count in asides])
    return f"{before}left aside where another broke first: {told}" if asides else ""


def _command(name: str, mode: FailureMode, options: dict[str, Any]) -> str:
    given = [f"--seed {options['seed']}"]
    if options["examples"] != FIND_EXAMPLES:
        given.append(f"--examples {options['examples']}")
    given += [
        f"--{key} {options[key]}"
        for key in ("steps", "jobs", "workers", "granularity", "store")
        if options[key]
    ]
    given += [f"--weight {shlex.quote(f'{action}={weight}')}" for action, weight in options["weights"]]
    return " ".join(["python -m failure_modes", name, mode.id, *given])


def _kept(mode: FailureMode) -> tuple[tuple[Path, Trace], ...]:
    try:
        return kept(mode)
    except TraceError as error:
        fail(str(error))


def _known(path: Path, mode_id: str) -> None:
    try:
        failure_mode(mode_id)
    except UnknownFailureMode as error:
        raise TraceError(f"{path}: {error}") from None
