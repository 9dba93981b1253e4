"""The text form of a run: the same on a terminal, in the output of a test and in a document.

It shows only changes, with the model and the system side by side. `>` marks the first bad step, and `~` the
first step at which the system differs from the model, if that is another one. The last line is a command that
replays the trace.
"""

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.oracle.describe import (
    changes,
    contrast,
    describe,
    describe_outcome,
    steps_described,
)
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.simulation.stepping import CALL
from failure_modes.checker.traces.replay import Replayed
from model.actions import Crash, Enqueue, PowerLoss, Reconcile, Tick, actor_of
from model.invariants import invariant

_COLUMNS = ("", "step", "time", "action", "worker", "model", "system", "changed")


def rendered(replayed: Replayed, *, command: str | None = None, shortest: bool = False) -> str:
    """The text of a replay. `command` is the last line; `shortest` is true if that was proved."""
    mode, run, finding = replayed.mode, replayed.run, replayed.finding
    name = f"{mode.id} {mode.title}" if mode else "the guarded system"
    lines = [
        headline(f"{name}, guarded" if replayed.guarded and mode else name, finding, run, shortest=shortest)
    ]
    usual = mode.scope if mode else Scope()
    if run.scope.description != usual.description:
        lines.append(f" scope: {run.scope.description}")
    lines.append(table(run, finding))
    if finding is not None:
        lines.append(verdict(finding, run, None if replayed.guarded or mode is None else mode.policy))
    else:
        lines += noted(None, run)
    if command:
        lines.append(f" replay: {command}")
    return "\n".join(lines)


def headline(name: str, finding: Finding | None, lockstep: Lockstep, *, shortest: bool = False) -> str:
    """The system of a run and its result, in one line."""
    count = len(lockstep.ledger.actions)
    scope = f"{lockstep.scope.store} · {lockstep.scope.granularity} · {steps_described(count)}"
    if shortest:
        scope += ", shortest possible"
    if lockstep.judge.off_target is not None:
        return (
            f"{name} breaks {lockstep.judge.off_target} first, and not {lockstep.judge.target}      {scope}"
        )
    if finding is None and lockstep.judge.diverged is not None:
        return f"{name} diverges from the model, and does not break {lockstep.judge.target}      {scope}"
    if finding is None:
        return f"{name}: holds      {scope}"
    if finding.invariant is None:
        return f"{name} diverges from the model      {scope}"
    return f"{name} breaks {finding.invariant} ({invariant(finding.invariant).title})      {scope}"


def table(lockstep: Lockstep, finding: Finding | None) -> str:
    """The run, one line for each step. The liveness run is shown only if a finding is in it."""
    ended_badly = finding is not None and finding.step is None
    to_end = _shows_recovery(lockstep, finding)
    shown = [record for record in lockstep.ledger.records if to_end or not record.recovering]
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for number, record in enumerate(shown, start=1):
        bad = finding is not None and (finding.step == number or (ended_badly and number == len(shown)))
        differs = number == lockstep.judge.diverged_record
        rows.append(_row(number, record, mark=">" if bad else "~" if differs else " "))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join([_line(row, widths) for row in rows])


def shows_recovery(replayed: Replayed) -> bool:
    """True if something was found in the liveness run: then a reader sees it."""
    return _shows_recovery(replayed.run, replayed.finding)


def _shows_recovery(lockstep: Lockstep, finding: Finding | None) -> bool:
    diverged = lockstep.judge.diverged
    if finding is not None:
        return finding.step is None
    return diverged is not None and diverged.step is None


def verdict(finding: Finding, lockstep: Lockstep, policy: str | None) -> str:
    """The expected and the actual result, and the policy that is missing."""
    lines = []
    if finding.expected:
        lines.append(f" expected: {finding.expected}")
    lines.append(f" got: {finding.got}")
    lines += noted(finding, lockstep)
    if policy:
        lines.append(f" policy missing: {policy}")
    return "\n".join(lines)


def noted(finding: Finding | None, lockstep: Lockstep) -> list[str]:
    """The first divergence and the tolerated breaks of a run, in words."""
    lines = []
    diverged = lockstep.judge.diverged
    if diverged is not None and (finding is None or diverged.step != finding.step):
        where = f"step {diverged.step}" if diverged.step else "the recovery"
        lines.append(f" diverged at {where}: {contrast(diverged.expected, diverged.got)}")
    for tolerated in lockstep.judge.tolerated.values():
        where = f"step {tolerated.step}" if tolerated.step else "the end"
        lines.append(f" tolerated: {tolerated.invariant} broke at {where}: {tolerated.got}")
    return lines


def _row(number: int, record: Record, *, mark: str) -> tuple[str, ...]:
    step = "end" if record.recovering else str(number)
    return (
        mark,
        step,
        f"{record.now / 1000:g}s",
        type(record.action).__name__,
        actor_of(record.action) or "-" if not isinstance(record.action, Enqueue | Reconcile) else "-",
        describe_outcome(record.model),
        system_described(record),
        changes(record.before, record.after),
    )


def system_described(record: Record) -> str:
    """Describe what the system did in a step."""
    if isinstance(record.action, Tick | Crash | PowerLoss):
        return "power loss" if isinstance(record.action, PowerLoss) else type(record.action).__name__.lower()
    if record.blocked:
        return "waits for a lock"
    if record.statement == CALL:
        return "recognise" if record.after.charges == record.before.charges else "charge"
    if record.committed:
        return describe(record.events)
    return record.statement or "runs on"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    right_aligned = (1, 2)
    cells = [
        cell.rjust(width) if column in right_aligned else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join([cells[0] + cells[1], *cells[2:]]).rstrip()
