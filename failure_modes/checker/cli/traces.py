"""The command `traces`: the regression database, listed, checked and pruned."""

from pathlib import Path
from typing import Any

import click
from attrs import evolve

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import GRANULARITY, STORE, Mode
from failure_modes.checker.cli.output import output, show, warn
from failure_modes.checker.cli.paths import shown_path
from failure_modes.checker.cli.saving import place
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, require_checkout
from failure_modes.checker.report.table import Line, table_text
from failure_modes.checker.support import interrupts
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.database import all_kept, kept
from failure_modes.checker.traces.trace import Trace
from failure_modes.checker.traces.trace_reader import load
from failure_modes.checker.traces.upkeep import Checked, Health, check, files_of
from model.invariants import INVARIANTS

Entry = tuple[Path, Trace]
_COLUMNS = ("failure mode", "trace", "breaks", "steps", "store", "pauses before each", "prevented by")
_STEPS = 3
_NARROW = 110
"""A table that is narrower than this has the name of each trace on a line of its own."""


@command("traces")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
@click.option(
    "--breaks", type=click.Choice([rule.id for rule in INVARIANTS]), help="Those that break this one."
)
@click.option("--policy", help="Those that a policy with this text in its name prevents.")
@click.option("--steps-max", type=click.IntRange(1), help="Those with at most so many steps.")
@STORE
@GRANULARITY
@click.option("--found", is_flag=True, help="Traces that searches found and saved, in place of kept ones.")
@click.option("--check", "checks", is_flag=True, help="Replay them: which are stale, and which are dull?")
@click.option("--prune", is_flag=True, help="Remove those that --check calls stale or dull.")
def traces(modes: tuple[FailureMode, ...], *, found: bool, checks: bool, prune: bool, **filters: Any) -> EXIT:
    """List the kept traces of each FM, or of all.

    A trace is stale if it no longer breaks what it broke, at the same step. It is dull if a shorter trace
    breaks the same in the same scope, and this one only has more actions.
    """
    if prune and not found:
        require_checkout()
    everything = _found() if found else all_kept()
    wanted = [entry for entry in everything if _fits(entry, modes, filters)]
    policy = filters["policy"]
    if policy is not None and not any(_is_of(policy, trace) for _, trace in everything):
        known = ", ".join(sorted({_policy_of(trace) for _, trace in everything} - {""}))
        raise click.UsageError(f"no trace is of a policy with {policy!r} in its name; there are {known}")
    if not (checks or prune):
        _show(wanted)
        for entry in wanted:
            _add(entry, None)
        return EXIT.AS_EXPECTED
    return _check(wanted, everything, prune=prune)


def _found() -> tuple[Entry, ...]:
    """The traces that searches saved."""
    return tuple([(path, load(path)) for path in sorted((place() / "found").glob("*.json"))])


def _fits(entry: Entry, modes: tuple[FailureMode, ...], filters: dict[str, Any]) -> bool:
    trace = entry[1]
    policy = filters["policy"]
    return (
        (not modes or trace.failure_mode in [mode.id for mode in modes])
        and filters["breaks"] in (None, trace.breaks.invariant)
        and (policy is None or _is_of(policy, trace))
        and (filters["steps_max"] is None or len(trace.actions) <= filters["steps_max"])
        and filters["store"] in (None, trace.scope.store.value)
        and filters["granularity"] in (None, trace.scope.granularity.value)
    )


def _is_of(policy: str, trace: Trace) -> bool:
    return policy.lower() in _policy_of(trace).lower()


def _policy_of(trace: Trace) -> str:
    return next((mode.policy for mode in catalogue() if mode.id == trace.failure_mode), "")


def _show(entries: list[Entry]) -> None:
    look = output().look
    lines = [Line(cells=_COLUMNS, style="head")]
    for path, trace in entries:
        cells = (
            trace.failure_mode or "guarded",
            path.stem,
            trace.breaks.invariant or "divergence",
            str(len(trace.actions)),
            trace.scope.store.value,
            trace.scope.granularity.value,
            _policy_of(trace),
        )
        lines.append(Line(cells=cells))
    right = frozenset([_STEPS])
    if look.width is not None and look.width < _NARROW:
        lines, right = [_narrow(line) for line in lines], frozenset([_STEPS - 1])
    show(table_text(lines, look, right=right))
    show(f"{len(entries)} trace{'s' * (len(entries) != 1)}")


def _narrow(line: Line) -> Line:
    """The line of a narrow table: the name of the trace stands below the other values."""
    mode, name, breaks, steps, store, pauses, policy = line.cells
    below = () if line.style == "head" else (f"  {name}",)
    return evolve(line, cells=(mode, breaks, steps, f"{store}, {pauses}", policy), below=below)


def _check(wanted: list[Entry], everything: tuple[Entry, ...], *, prune: bool) -> EXIT:
    """Check each trace, say what is wrong, and remove it if `prune`."""
    found: list[Checked] = []
    unchecked = 0
    for path, trace in wanted:
        interrupts.check()
        try:
            found.append(check(path, trace, everything))
        except NotInstalled as error:
            warn(f"error: {shown_path(path)}: {error}")
            unchecked += 1
    bad = [one for one in found if one.health is not Health.GOOD]
    for one in bad:
        show(f"{one.health}: {shown_path(one.path)}: {one.reason}")
    removed = _remove(bad) if prune else ()
    for one in found:
        _add((one.path, one.trace), one, removed=one.path in removed)
    good = len(found) - len(bad)
    counts = [
        f"{sum(one.health is health for one in bad)} {health}" for health in (Health.STALE, Health.DULL)
    ]
    show(f"{len(found)} traces checked: {good} good, {', '.join(counts)}")
    if unchecked:
        return EXIT.INCONCLUSIVE
    return EXIT.AS_EXPECTED if len(removed) == len(bad) else EXIT.NOT_AS_EXPECTED


def _remove(bad: list[Checked]) -> tuple[Path, ...]:
    """Remove traces, and say what is removed. The last trace of a failure mode stays."""
    removed = []
    for one in bad:
        mode = next((mode for mode in catalogue() if mode.id == one.trace.failure_mode), None)
        siblings = [path for path, _ in kept(mode)] if mode else []
        if siblings == [one.path]:
            warn(f"{shown_path(one.path)} stays: it is the last trace of {one.trace.failure_mode}")
            continue
        for path in files_of(one.path) if one.path in siblings else (one.path,):
            path.unlink()
            show(f"removed: {shown_path(path)}")
        removed.append(one.path)
    return tuple(removed)


def _add(entry: Entry, checked: Checked | None, *, removed: bool = False) -> None:
    path, trace = entry
    judged = {} if checked is None else {"health": checked.health.value, "removed": removed}
    output().add(
        None,
        trace=shown_path(path),
        failure_mode=trace.failure_mode,
        breaks=trace.breaks.invariant,
        length=len(trace.actions),
        store=trace.scope.store.value,
        granularity=trace.scope.granularity.value,
        policy=_policy_of(trace),
        why=trace.why,
        **judged,
    )
