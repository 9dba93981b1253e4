"""The text form of a run: the same on a terminal, in the output of a test and in a document.

It shows only changes, with the model and the system side by side. `>` marks the first bad step, and `~` the
first step at which the system differs from the model, if that is another one. The last line is a command that
replays the trace. On a terminal the text has colours, and fits the width (`table.py`).
"""

from attrs import evolve

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
from failure_modes.checker.report.statements import statement_of
from failure_modes.checker.report.table import PLAIN, Line, Look, paragraph, styled, table_text
from failure_modes.checker.simulation.stepping import CALL
from failure_modes.checker.traces.recording import RecordedStep
from failure_modes.checker.traces.replay import Replayed
from model.actions import (
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    LostReply,
    PowerLoss,
    Reconcile,
    Rollback,
    ThreadHeartbeat,
    Tick,
    actor_of,
)
from model.events import Environment
from model.invariants import invariant

_COLUMNS = ("", "step", "time", "action", "worker", "model", "system", "changed")
_RIGHT = frozenset([1, 2])
_NARROW = 100
"""A table that is narrower than this has the worker in the column of the action."""

_RECOVERY_FIRST = 20
RECOVERY_LAST = 8
"""Of a recovery with more steps, so many are shown at its beginning and at its end."""


def rendered(
    replayed: Replayed,
    *,
    command: str | None = None,
    shortest: bool = False,
    sql: bool = False,
    look: Look = PLAIN,
) -> str:
    """The text of a replay. `command` is the last line; `shortest` is true if that was proved.

    `sql`: the statements of each step stand below it.
    """
    mode, run, finding = replayed.mode, replayed.run, replayed.finding
    name = f"{mode.id} {mode.title}" if mode else "the guarded system"
    full_name = f"{name}, guarded" if replayed.guarded and mode else name
    cut = replayed.cut_before
    lines = [headline(full_name, finding, run, shortest=shortest, cut_before=cut, look=look)]
    usual = mode.scope if mode else Scope()
    if run.scope.description != usual.description:
        lines.append(paragraph(f" scope: {run.scope.description}", look))
    lines.append(table(replayed, sql=sql, look=look))
    if finding is not None:
        policy = None if replayed.guarded or mode is None else mode.policy
        lines += _verdict(finding, run, policy, look)
    else:
        lines += [paragraph(line, look) for line in noted(None, run)]
    if command:
        lines.append(f" replay: {command}")
    return "\n".join(lines)


def headline(
    name: str,
    finding: Finding | None,
    lockstep: Lockstep,
    *,
    shortest: bool = False,
    cut_before: int | None = None,
    look: Look = PLAIN,
) -> str:
    """The system of a run and its result, in one line if that fits. A run that was cut has no verdict."""
    count = len(lockstep.ledger.actions)
    scope = f"{lockstep.scope.store} · {lockstep.scope.granularity} · {steps_described(count)}"
    if shortest:
        scope += ", shortest possible"
    said, style = _result(name, finding, lockstep)
    if cut_before is not None and finding is None and lockstep.judge.off_target is None:
        so_far = "nothing broken so far"
        if lockstep.judge.diverged is not None:
            so_far = "diverged from the model, and nothing broken so far"
        said, style = f"{name}: cut before step {cut_before}: {so_far}", ""
    if look.width is not None and len(said) + 6 + len(scope) > look.width:
        lines = paragraph(said, look, indent="  ").splitlines()
        return "\n".join([*[styled(line, style, look) for line in lines], f" {scope}"])
    return f"{styled(said, style, look)}      {scope}"


def _result(name: str, finding: Finding | None, lockstep: Lockstep) -> tuple[str, str]:
    """What came of a run, and the style of that."""
    judge = lockstep.judge
    if judge.off_target is not None:
        return f"{name} breaks {judge.off_target} first, and not {judge.target}", "broken"
    if finding is None and judge.diverged is not None:
        return f"{name} diverges from the model, and does not break {judge.target}", "diverged"
    if finding is None:
        return f"{name}: holds", "held"
    if finding.invariant is None:
        return f"{name} diverges from the model", "diverged"
    return f"{name} breaks {finding.invariant} ({invariant(finding.invariant).title})", "broken"


def table(replayed: Replayed, *, sql: bool = False, look: Look = PLAIN) -> str:
    """The run, one line for each step. The liveness run is shown only if a finding is in it."""
    run, finding = replayed.run, replayed.finding
    ended_badly = finding is not None and finding.step is None
    shown, left_out = steps_shown(replayed, to_end=shows_recovery(replayed))
    lines = [Line(cells=_COLUMNS, style="head")]
    for number, step in enumerate(shown, start=1):
        bad = finding is not None and (finding.step == number or (ended_badly and number == len(shown)))
        differs = number == run.judge.diverged_record
        mark = ">" if bad else "~" if differs else " "
        lines.append(
            Line(
                cells=_row(number, step.record, mark=mark),
                style=_style(step.record, finding, bad=bad, differs=differs),
                below=_statements(step) if sql else (),
            )
        )
    if left_out:
        gap = ("", "...", "", f"{left_out} steps", "-", "", "", "the recovery goes on like this")
        lines.insert(-RECOVERY_LAST, Line(cells=gap))
    if look.width is not None and look.width < _NARROW:
        lines = [evolve(line, cells=_narrow(line.cells)) for line in lines]
    return table_text(lines, look, right=_RIGHT, joined=1)


def shows_recovery(replayed: Replayed) -> bool:
    """True if something was found in the liveness run: then a reader sees it."""
    finding, diverged = replayed.finding, replayed.run.judge.diverged
    if finding is not None:
        return finding.step is None
    return diverged is not None and diverged.step is None


def steps_shown(replayed: Replayed, *, to_end: bool) -> tuple[tuple[RecordedStep, ...], int]:
    """The steps to show, and how many are left out before the last ones. `to_end`: with the recovery.

    A recovery that never ends has hundreds. Its beginning, the first divergence and its end are shown.
    """
    steps = tuple([step for step in replayed.steps if to_end or not step.record.recovering])
    before = len([step for step in steps if not step.record.recovering])
    first = max(before + _RECOVERY_FIRST, replayed.run.judge.diverged_record or 0)
    left_out = len(steps) - first - RECOVERY_LAST
    if left_out <= 1:
        return steps, 0
    return (*steps[:first], *steps[-RECOVERY_LAST:]), left_out


def _verdict(finding: Finding, lockstep: Lockstep, policy: str | None, look: Look) -> list[str]:
    """The expected and the actual result, and the policy that is missing."""
    lines = []
    if finding.expected:
        lines.append(paragraph(f" expected: {finding.expected}", look))
    lines.append(styled(paragraph(f" got: {finding.got}", look), "broken", look))
    lines += [paragraph(line, look) for line in noted(finding, lockstep)]
    if policy:
        lines.append(paragraph(f" policy missing: {policy}", look))
    return lines


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


def _style(record: Record, finding: Finding | None, *, bad: bool, differs: bool) -> str:
    if bad and finding is not None:
        return "broken" if finding.invariant else "diverged"
    if differs:
        return "diverged"
    return "danger" if isinstance(record.action, _DANGERS) else ""


_DANGERS = (Crash, PowerLoss, Rollback, ClockBack, Fail, Hang)


def _row(number: int, record: Record, *, mark: str) -> tuple[str, ...]:
    step = "end" if record.recovering else str(number)
    return (
        mark,
        step,
        f"{record.now / 1000:g}s",
        action_name(record.action),
        _mover(record.action) or "-" if not isinstance(record.action, Enqueue | Reconcile) else "-",
        describe_outcome(record.model),
        system_described(record),
        changes(record.before, record.after),
    )


def _mover(action: Action) -> str | None:
    """The process that the action moves, or whose clock it sets."""
    return action.worker if isinstance(action, ClockSkew) else actor_of(action)


def action_name(action: Action) -> str:
    """The name of an action. A lost reply names what it was the reply to."""
    if isinstance(action, LostReply) and action.of != "Step":
        return f"LostReply {action.of}"
    return type(action).__name__


def _narrow(cells: tuple[str, ...]) -> tuple[str, ...]:
    """The cells of a narrow table: the worker beside its action, and `same` where the model says the same."""
    mark, step, time, action, worker, model, system, changed = cells
    if cells != _COLUMNS:
        action = action if worker == "-" else f"{action} {worker}"
        model = "same" if model == system and len(model) > len("same") else model
    return mark, step, time, action, model, system, changed


def _statements(step: RecordedStep) -> tuple[str, ...]:
    """The statements of a step, each with its result."""
    found = []
    for statement in [statement_of(ran) for ran in step.statements]:
        result = statement.error or statement.result
        found.append(f"          {statement.text}{f'  -> {result}' if result else ''}")
    return tuple(found)


def system_described(record: Record) -> str:
    """Describe what the system did in a step."""
    if isinstance(record.action, Rollback):
        return f"rollback of {record.action.commits}"
    if isinstance(record.action, ClockBack):
        return "clock back"
    if isinstance(record.action, ClockSkew):
        return Environment.CLOCK_SKEW
    if isinstance(record.action, Tick | Crash | PowerLoss):
        return "power loss" if isinstance(record.action, PowerLoss) else type(record.action).__name__.lower()
    if record.blocked:
        return "waits for a lock"
    if record.statement == CALL:
        return "recognise" if record.after.charges == record.before.charges else "charge"
    if record.committed:
        return describe(record.events)
    if isinstance(record.action, ThreadHeartbeat):
        return Environment.THREAD
    if isinstance(record.action, Hang):
        return Environment.HANG
    return record.statement or "runs on"
