"""The command `replay`: kept traces, run again."""

from pathlib import Path

import click
from attrs import evolve

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import STORE
from failure_modes.checker.cli.output import Verdict, output, show
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.experiment.catalogue import UnknownFailureMode, failure_mode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.support import interrupts
from failure_modes.checker.traces.replay import Replayed
from failure_modes.checker.traces.replay import replay as run_again
from failure_modes.checker.traces.trace import Trace, TraceError
from failure_modes.checker.traces.trace_reader import load


@command("replay")
@click.argument("paths", metavar="TRACE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--guarded", "on_guarded", is_flag=True, help="On the guarded system: nothing may break.")
@click.option("--real", is_flag=True, help="With real processes, which a crash kills by SIGKILL.")
@STORE
def replay(paths: tuple[Path, ...], *, on_guarded: bool, real: bool, store: str | None) -> EXIT:
    """Run kept traces again: each must break the same invariant at the same step."""
    right = [_replay_one(path, on_guarded=on_guarded, real=real, store=store) for path in paths]
    return EXIT.AS_EXPECTED if all(right) else EXIT.NOT_AS_EXPECTED


def _replay_one(path: Path, *, on_guarded: bool, real: bool, store: str | None) -> bool:
    """Replay one trace, and show it. True if the result is as expected. Raises KeyboardInterrupt."""
    interrupts.check()
    trace = load(path)
    if store is not None:
        trace = evolve(trace, scope=evolve(trace.scope, store=StoreKind(store)))
    if real and trace.scope.store is not StoreKind.SQLITE:
        raise click.UsageError("--real is for the store sqlite")
    if trace.failure_mode is not None:
        _check_known(path, trace.failure_mode)
    options = ["--guarded"] * on_guarded + ["--real"] * real + (["--store", store] if store else [])
    replayed = replay_and_add(path, trace, on_guarded=on_guarded, real=real)
    show(rendered(replayed, command=command_line("replay", shown_path(path), *options)))
    if not replayed.as_expected:
        show(f" not as expected: {wanted(trace, replayed)}")
    return replayed.as_expected


def replay_and_add(path: Path, trace: Trace, *, on_guarded: bool, real: bool = False) -> Replayed:
    """Replay a trace, and add the result to the output."""
    if real:
        from failure_modes.checker.real.real import real_world_of

        replayed = run_again(trace, guarded=on_guarded, world=real_world_of)
    else:
        replayed = run_again(trace, guarded=on_guarded, world=world_of)
    finding = replayed.finding
    output().add(
        Verdict.HELD if finding is None else Verdict.BROKEN,
        trace=shown_path(path),
        failure_mode=trace.failure_mode,
        system="guarded" if on_guarded else "broken",
        store=trace.scope.store.value,
        breaks=None if finding is None else finding.invariant,
        step=None if finding is None else finding.step,
        skipped=len(replayed.skipped),
        as_expected=replayed.as_expected,
    )
    return replayed


def wanted(trace: Trace, replayed: Replayed) -> str:
    """The expected result of a replay that is not as expected, in words."""
    verb = f"break {trace.breaks.invariant}" if trace.breaks.invariant else "diverge from the model"
    where = f"step {trace.breaks.step}" if trace.breaks.step else "the end"
    expected = "hold" if replayed.guarded else f"{verb} at {where}"
    skipped = f"; {len(replayed.skipped)} actions were impossible" if replayed.skipped else ""
    return f"the trace should {expected}{skipped}"


def _check_known(path: Path, mode_id: str) -> None:
    try:
        failure_mode(mode_id)
    except UnknownFailureMode as error:
        raise TraceError(f"{path}: {error}") from None
