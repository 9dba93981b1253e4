"""The command `replay`: kept traces, run again."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve, frozen

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.cli.options import STORE
from failure_modes.checker.cli.output import Verdict, output, show, warn
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.cli.saving import as_code, only_code, print_code
from failure_modes.checker.experiment.catalogue import UnknownFailureMode, catalogue, failure_mode
from failure_modes.checker.experiment.scope import Granularity, StoreKind
from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.table import styled
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.support import interrupts
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.database import kept
from failure_modes.checker.traces.recording import LeftRun
from failure_modes.checker.traces.replay import Replayed
from failure_modes.checker.traces.replay import replay as run_again
from failure_modes.checker.traces.trace import Trace, TraceError
from failure_modes.checker.traces.trace_reader import load

if TYPE_CHECKING:
    from failure_modes.checker.traces.debugging import Debugger


@frozen(kw_only=True)
class How:
    """How traces are run again: on which system, by which processes, and on which store, if not their own."""

    guarded: bool
    real: bool = False
    store: StoreKind | None = None
    sql: bool = False
    """True if the statements of each step are shown."""
    form: str | None = None
    """The form in which a trace is printed as code; None for text."""
    until: int | None = None
    """The step before which the run ends, or stops in a debugger."""
    pdb: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The options that say the same."""
        store = ["--store", str(self.store)] if self.store else []
        flags = [*["--guarded"] * self.guarded, *["--real"] * self.real, *["--sql"] * self.sql]
        flags += ["--until", str(self.until)] if self.until and not self.pdb else []
        return (*flags, *store)


@command("replay")
@click.argument("paths", metavar="[TRACE]...", type=click.Path(path_type=Path), nargs=-1)
@click.option("--guarded", "on_guarded", is_flag=True, help="On the guarded system: nothing may break.")
@click.option("--real", is_flag=True, help="With real processes, which a crash kills by SIGKILL.")
@click.option("--sql", is_flag=True, help="Show the statements of each step.")
@click.option("--until", type=click.IntRange(1), metavar="STEP", help="Run the steps before this one only.")
@click.option("--pdb", is_flag=True, help="With --until: stop there in pdb, inside the system's code.")
@STORE
@as_code
def replay(
    paths: tuple[Path, ...],
    *,
    on_guarded: bool,
    real: bool,
    sql: bool,
    store: str | None,
    form: str | None,
    until: int | None,
    pdb: bool,
) -> EXIT:
    """Run kept traces again: each must break the same invariant, or diverge, at the same step.

    Without TRACE: every kept trace of every failure mode. Of several traces each has a line; those that
    are not as expected are shown whole, too. With --until a run is cut: that is no verdict on the trace, and
    as expected (exit code 0) if nothing broke before the cut.
    """
    if form is not None and not paths:
        raise click.UsageError(f"--{form} is for one TRACE or more")
    if sql and real:
        raise click.UsageError("--sql shows what virtual processes do: leave out --real")
    if until is not None and (len(paths) != 1 or real or form is not None):
        raise click.UsageError("--until is for one TRACE, and not for --real, --pytest or --python")
    if pdb and (until is None or output().json):
        raise click.UsageError("--pdb needs --until STEP, and cannot be used with --json")
    only_code(form)
    how = How(
        guarded=on_guarded,
        real=real,
        sql=sql,
        store=StoreKind(store) if store else None,
        form=form,
        until=until,
        pdb=pdb,
    )
    if not paths:
        return _replay_each(_all_kept(how), how, "kept trace")
    traces = [(path, _loaded(path, how)) for path in paths]
    if len(traces) > 1 and form is None:
        return _replay_each(traces, how, "trace")
    printed: list[tuple[Replayed, Path | None]] = []
    code = worst([_replay_one(path, trace, how, printed) for path, trace in traces])
    print_code(form, printed)
    return code


def _loaded(path: Path, how: How) -> Trace:
    """The trace of a file, on the store of the options. Raises TraceError, click.UsageError."""
    trace = load(path)
    if how.store is not None:
        trace = evolve(trace, scope=evolve(trace.scope, store=how.store))
    if how.real and trace.scope.store is not StoreKind.SQLITE:
        raise click.UsageError("--real is for the store sqlite")
    if trace.failure_mode is not None:
        check_known(path, trace.failure_mode)
    return trace


def _replay_one(path: Path, trace: Trace, how: How, printed: list[tuple[Replayed, Path | None]]) -> EXIT:
    """Replay one trace, show it, and add it to what may be printed as code. Raises KeyboardInterrupt."""
    interrupts.check()
    if how.until is not None and how.until > len(trace.actions):
        raise click.UsageError(f"--until {how.until}: the trace has {steps_described(len(trace.actions))}")
    try:
        replayed = replay_and_add(
            path,
            trace,
            on_guarded=how.guarded,
            real=how.real,
            until=how.until,
            debugger=_debugger() if how.pdb else None,
        )
    except LeftRun:
        show(f"left before the end of step {how.until}")
        return EXIT.AS_EXPECTED
    printed.append((replayed, path))
    show(_text(path, replayed, how))
    if not replayed.as_expected:
        show(f" not as expected: {wanted(trace, replayed)}")
    return code_of_replay(replayed)


def _debugger() -> "Debugger":
    """The debugger. pdb is imported only where it is used."""
    from failure_modes.checker.traces.debugging import Debugger

    return Debugger()


def _text(path: Path, replayed: Replayed, how: How) -> str:
    again = command_line("replay", shown_path(path), *how.options)
    return rendered(replayed, command=again, sql=how.sql, look=output().look)


def _all_kept(how: How) -> Iterator[tuple[Path, Trace]]:
    """Every kept trace that can be run so."""
    for mode in catalogue():
        for path, trace in kept(mode):
            moved = moved_to(trace, how.store)
            at_server = (how.store or trace.scope.store) is not StoreKind.SQLITE
            if moved is None or (how.store and how.store in mode.not_on) or (how.real and at_server):
                continue
            yield path, moved


def _replay_each(traces: Iterable[tuple[Path, Trace]], how: How, noun: str) -> EXIT:
    """Show each trace in a line, those that are not as expected also whole, and how many were as expected.

    `noun` names a trace in the last line.
    """
    codes: list[EXIT] = []
    for path, trace in traces:
        interrupts.check()
        codes.append(_replay_in_a_line(path, trace, how))
    right = codes.count(EXIT.AS_EXPECTED)
    on = "the guarded system" if how.guarded else "the broken systems"
    style = "held" if right == len(codes) else "broken"
    show(
        styled(
            f"{len(codes)} {noun}{'s' * (len(codes) != 1)} on {on}: {right} as expected", style, output().look
        )
    )
    return worst(codes)


def _replay_in_a_line(path: Path, trace: Trace, how: How) -> EXIT:
    name = f"{trace.failure_mode or 'guarded'} {path.stem}"
    try:
        replayed = replay_and_add(path, trace, on_guarded=how.guarded, real=how.real)
    except NotInstalled as error:
        warn(f"error: {name}: {error}")
        return EXIT.INCONCLUSIVE
    show(f"{name}: {ended(trace, replayed)}")
    if not replayed.as_expected:
        show(_text(path, replayed, how))
    return code_of_replay(replayed)


def moved_to(trace: Trace, store: StoreKind | None) -> Trace | None:
    """The trace on that store. A trace made statement by statement is of one store alone: None."""
    if store is None or store is trace.scope.store:
        return trace
    if trace.scope.granularity is not Granularity.TRANSACTION:
        return None
    return evolve(trace, scope=evolve(trace.scope, store=store))


def replay_and_add(
    path: Path,
    trace: Trace,
    *,
    on_guarded: bool,
    real: bool = False,
    until: int | None = None,
    debugger: "Debugger | None" = None,
) -> Replayed:
    """Replay a trace, or the steps before `until`, and add the result to the output. Raises LeftRun."""
    if real:
        from failure_modes.checker.real.real import real_world_of

        replayed = run_again(trace, guarded=on_guarded, world=real_world_of)
    else:
        replayed = run_again(trace, guarded=on_guarded, world=world_of, until=until, debugger=debugger)
    finding = replayed.finding
    output().add(
        None if _is_open(replayed) else _verdict(replayed),
        trace=shown_path(path),
        failure_mode=trace.failure_mode,
        system="guarded" if on_guarded else "broken",
        store=trace.scope.store.value,
        breaks=replayed.breaks,
        diverges=replayed.diverges,
        step=None if finding is None else finding.step,
        cut_before=replayed.cut_before,
        skipped=len(replayed.skipped),
        as_expected=replayed.as_expected,
    )
    return replayed


def _is_open(replayed: Replayed) -> bool:
    """True if the run was cut, and nothing was found until then: that is no verdict on the trace."""
    return replayed.cut_before is not None and _verdict(replayed) is Verdict.HELD


def _verdict(replayed: Replayed) -> Verdict:
    if replayed.breaks is not None:
        return Verdict.BROKEN
    return Verdict.DIVERGED if replayed.diverges else Verdict.HELD


def code_of_replay(replayed: Replayed) -> EXIT:
    """The exit code of one replay: of what is not as expected, a divergence alone has a code of its own."""
    if replayed.as_expected:
        return EXIT.AS_EXPECTED
    return EXIT.DIVERGED if _verdict(replayed) is Verdict.DIVERGED else EXIT.NOT_AS_EXPECTED


def ended(trace: Trace, replayed: Replayed) -> str:
    """What came of a replay, in a few words."""
    finding = replayed.finding
    if not replayed.as_expected:
        return f"not as expected: {wanted(trace, replayed)}"
    if finding is None:
        return "holds"
    what = f"breaks {finding.invariant}" if finding.invariant else "diverges from the model"
    return f"{what} at {f'step {finding.step}' if finding.step else 'the end'}"


def wanted(trace: Trace, replayed: Replayed) -> str:
    """The actual and the expected result of a replay that is not as expected, in words."""
    verb = f"break {trace.breaks.invariant}" if trace.breaks.invariant else "diverge from the model"
    where = f"step {trace.breaks.step}" if trace.breaks.step else "the end"
    expected = "hold" if replayed.guarded else f"{verb} at {where}"
    if replayed.cut_before is not None:
        expected = f"break nothing before step {replayed.cut_before}"
    skipped = f"; {len(replayed.skipped)} actions were impossible" if replayed.skipped else ""
    alone = "; it only diverges from the model"
    return f"the trace should {expected}{alone * (_verdict(replayed) is Verdict.DIVERGED)}{skipped}"


def check_known(path: Path, mode_id: str) -> None:
    """Raise TraceError if there is no such failure mode."""
    try:
        failure_mode(mode_id)
    except UnknownFailureMode as error:
        raise TraceError(f"{path}: {error}") from None
