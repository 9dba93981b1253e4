"""The command line of the checker. Exit codes: see `EXIT`."""

import json
from errno import EPIPE
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.all import all_
from failure_modes.checker.cli.chaos import chaos
from failure_modes.checker.cli.exits import EXIT, describe, fail, interrupted, leave, shown_path, usage
from failure_modes.checker.cli.explore import hunt_and_show
from failure_modes.checker.cli.fidelity import fidelity
from failure_modes.checker.cli.find import find, guarded_code, prevent, search_shown
from failure_modes.checker.cli.matrix import matrix_
from failure_modes.checker.cli.options import STORE, processes, scoped, tuned, tuning
from failure_modes.checker.cli.power import power
from failure_modes.checker.cli.prove import prove
from failure_modes.checker.cli.repeat import repeat
from failure_modes.checker.cli.scaffold import NotLaidOut, lay_out
from failure_modes.checker.cli.seeds import seeds_
from failure_modes.checker.cli.times import times
from failure_modes.checker.experiment.catalogue import (
    BadScenario,
    FailureMode,
    UnknownFailureMode,
    catalogue,
    failure_mode,
)
from failure_modes.checker.experiment.scope import Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.describe import steps_told
from failure_modes.checker.real.real import real_world_of
from failure_modes.checker.report.documents import documents
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import (
    as_json,
    everything_reached,
    explored,
    met,
    properties,
    trace_of,
    unreached,
)
from failure_modes.checker.simulation.disk.vfs import NoVFS
from failure_modes.checker.subject.worlds import NoWorld, world_of
from failure_modes.checker.support import interrupts, temporary
from failure_modes.checker.support.atomic_files import Damaged, write_whole
from failure_modes.checker.support.process_pool import WorkerLost
from failure_modes.checker.traces.database import NotKept, kept, save
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace, TraceError, load
from system.store import StoreError

EXPLORE_EXAMPLES = 2_000


class _Commands(click.Group):
    """The commands. What stops one of them is said in one line, whichever it is."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run one."""
        try:
            interrupts.check()
            temporary.sweep()
            with temporary.room():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            interrupted()
        except (BadScenario, Damaged, TraceError, NotKept) as error:
            fail(str(error))
        except OSError as error:
            if error.errno == EPIPE:  # nobody reads the output: click knows what to do
                raise
            fail(describe(error))
        except (NoVFS, NoWorld, StoreError, temporary.NoRoom) as error:
            click.echo(f"cannot be done here: {error}", err=True)
            leave(EXIT.BOUND_HIT)
        except WorkerLost as error:
            click.echo(f"error: {error}", err=True)
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
    2 bad usage or not a trace; 3 a bound was hit before the question was answered; 130 interrupted (143 by
    SIGTERM), and 3 where what was found until then is shown.
    """


@main.command("list")
def list_() -> None:
    """List the failure modes and their kept traces."""
    for mode in catalogue():
        broken = " and ".join(mode.invariants)
        click.echo(f"{mode.id}  {mode.title}: breaks {broken}, prevented by {mode.policy}")
        for path, trace in _kept(mode):
            click.echo(f"        {path.name}  {steps_told(len(trace.actions))}, {trace.scope.granularity}")


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
    """Show one, and say whether it is as expected. Raises KeyboardInterrupt before it begins."""
    interrupts.check()
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
        replayed = replay(trace, guarded=on_guarded, world=world)
    except TraceError as error:
        fail(str(error))
    click.echo(rendered(replayed, command=command))
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
@processes("Of --off: processes that share the sets.")
def explore(file: Path | None, *, reach_all: bool, off: int | None, **options: Any) -> None:
    """Hunt freely on the guarded system, and say what was reached.

    With --off, on broken ones: for each set of policies, which invariants break, and which policies it takes.
    """
    scope, strategy = scoped(Scope(), options), tuned(UNRESTRICTED, options)
    if off is not None:
        if reach_all or file is not None:
            raise click.UsageError("--off takes neither --reach-all nor --save: breaks are what it looks for")
        hunt_and_show(scope, strategy, off, options)
    result = search_shown("exploring the guarded system", scope, strategy, guarded, None, options)
    trace = trace_of(None, scope, result, "found by exploring the guarded system")
    if options["json_"]:
        click.echo(json.dumps({**as_json(result, trace), **explored(result)}))
    else:
        if trace is not None:
            click.echo(rendered(replay(trace)))
        click.echo(f"explored the guarded system: {met(result)}")
        click.echo(everything_reached(scope, result))
    if trace is not None and file is not None:
        usage(save, file, trace)
    if result.tally.interrupted:
        click.echo("interrupted", err=True)
    wanted = properties(scope) if reach_all else ()
    leave(guarded_code(result, unreached(wanted, result)))


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


main.add_command(find)
main.add_command(prevent)
main.add_command(all_)
main.add_command(repeat)
main.add_command(prove)
main.add_command(matrix_)
main.add_command(fidelity)
main.add_command(chaos)
main.add_command(seeds_)
main.add_command(times)
main.add_command(power)


@main.command()
@click.option("--check", is_flag=True, help="Only say whether they are fresh; exit 1 if not.")
def docs(*, check: bool) -> None:
    """Write the generated documents, and the links to failure modes in the others."""
    fresh = documents()
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not check:
            write_whole(path, fresh[path])
        click.echo(f"{'stale' if check else 'written'}: {shown_path(path)}")
    if not stale:
        click.echo("the generated documents are fresh")
    leave(EXIT.NOT_AS_EXPECTED if check and stale else EXIT.AS_EXPECTED)


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
