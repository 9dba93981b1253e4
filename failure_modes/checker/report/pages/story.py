"""A run as a picture: lanes, rows, bars and marks. It is a function of what a replay recorded.

Time goes downward. Each step has two *halves*: the upper half shows how things were before the step, the
lower half how they were after it. A bar or a line goes from one half to another; the first half is number 0.
"""

from attrs import evolve, frozen

from failure_modes.checker.oracle.describe import contrast, describe_outcome
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.report.pages.bars import MODEL, Bar, Line, bars_of, lines_of
from failure_modes.checker.report.pages.detail import Detail, detail_of
from failure_modes.checker.report.rendering import RECOVERY_LAST, steps_shown, system_described
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.traces.recording import RecordedStep
from failure_modes.checker.traces.replay import Replayed
from model.actions import (
    PRODUCER,
    ClockBack,
    Crash,
    Fail,
    Hang,
    LostReply,
    PowerLoss,
    Release,
    Rollback,
    Tick,
    TimeOut,
    actor_of,
)
from model.events import EventKind


@frozen(kw_only=True)
class Mark:
    """A small picture in a step. `kind` is the name of the picture."""

    kind: str
    text: str


@frozen(kw_only=True)
class Row:
    """One step. `lane` is None if the world moved: then the row goes through all lanes.

    `agrees` compares the model: `same`, `differs`, `silent` if neither committed, `left` after the first
    divergence. `state` is `broken`, `diverged`, `tolerated` or empty.
    """

    id: str
    label: str
    time: str
    action: str
    actor: str
    lane: int | None
    system: str
    model: str
    agrees: str
    state: str
    marks: tuple[Mark, ...]
    recovering: bool
    detail: Detail

    @property
    def spoken(self) -> str:
        """The row as one sentence, for a reader that does not see."""
        said = [f"Step {self.label}", self.time, f"{self.actor or 'the world'}: {self.system}"]
        said += [mark.text for mark in self.marks]
        said += [f"the model: {self.model}"] if self.agrees == "differs" else []
        return ", ".join(said) + {
            "broken": ": the violation",
            "diverged": ": the first divergence",
            "tolerated": ": a tolerated break",
        }.get(self.state, "")


@frozen(kw_only=True)
class Side:
    """One run: the trace on one system."""

    label: str
    """Which system it is, in a word or two."""
    outcome: str
    verdict: str
    """`broken`, `diverged` or `held`."""
    notes: tuple[str, ...]
    lanes: tuple[str, ...]
    """The processes, and the model last."""
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    slots: tuple[int, ...]
    """For each lane the number of bars beside one another."""

    @property
    def halves(self) -> int:
        """The number of halves."""
        return 2 * len(self.rows)

    def row_of(self, state: str) -> Row | None:
        """The first row in that state."""
        return next((row for row in self.rows if row.state == state), None)


def side_of(replayed: Replayed, *, label: str, key: str, to_end: bool) -> Side:
    """The picture of a run. `key` begins the id of each of its rows; `to_end`: with the liveness run."""
    steps, left_out = steps_shown(replayed, to_end=to_end)
    lanes = _lanes(steps)
    bars = bars_of(steps, lanes, replayed.run.settings.lease_ms)
    return Side(
        label=label,
        outcome=_outcome(replayed),
        verdict="broken" if replayed.breaks else "diverged" if replayed.diverges else "held",
        notes=_notes(replayed, left_out),
        lanes=lanes,
        rows=_after_gap(
            [_row(number, steps, replayed, lanes, key) for number in range(len(steps))], left_out
        ),
        bars=bars,
        lines=tuple([line for at, lane in enumerate(lanes) for line in lines_of(at, lane, steps, replayed)]),
        slots=tuple(
            [max([bar.slot + 1 for bar in bars if bar.lane == at], default=0) for at in range(len(lanes))]
        ),
    )


def _after_gap(rows: list[Row], left_out: int) -> tuple[Row, ...]:
    """The rows; the first one after the steps that are left out says how many these are."""
    if left_out:
        first = rows[-RECOVERY_LAST]
        mark = Mark(kind="gap", text=f"{left_out} steps before")
        rows[-RECOVERY_LAST] = evolve(first, marks=(mark, *first.marks))
    return tuple(rows)


def _lanes(steps: tuple[RecordedStep, ...]) -> tuple[str, ...]:
    """The processes that move, or hold a job: the producer, the workers, the others; then the model."""
    seen = {name for step in steps if (name := actor_of(step.record.action)) is not None}
    seen |= {execution.worker for step in steps for execution in step.record.after.executions}
    known = [memory.name for memory in steps[-1].processes] if steps else []
    names = [name for name in known if name in seen]
    return (*[name for name in names if name == PRODUCER], *[n for n in names if n != PRODUCER], MODEL)


def _row(
    number: int, steps: tuple[RecordedStep, ...], replayed: Replayed, lanes: tuple[str, ...], key: str
) -> Row:
    step, record = steps[number], steps[number].record
    actor = actor_of(record.action)
    finding, judge = replayed.finding, replayed.run.judge
    ends = finding is not None and finding.step is None and number == len(steps) - 1
    tolerated = [found for found in judge.tolerated.values() if found.step == step.number is not None]
    state = "tolerated" if tolerated else ""
    if judge.diverged_record == number + 1:
        state = "diverged"
    if finding is not None and (ends or finding.step == step.number is not None):
        state = "broken" if finding.invariant else "diverged"
    return Row(
        id=f"{key}{number + 1}",
        label="end" if record.recovering else str(number + 1),
        time=f"{record.now / 1000:g} s",
        action=type(record.action).__name__,
        actor=actor or "",
        lane=lanes.index(actor) if actor in lanes else None,
        system=_text(record),
        model=describe_outcome(record.model) if record.model else "",
        agrees=_agrees(step, state),
        state=state,
        marks=_marks(step),
        recovering=record.recovering,
        detail=detail_of(step, messages=_messages(state, replayed, tuple([one.got for one in tolerated]))),
    )


def _text(record: Record) -> str:
    if isinstance(record.action, Tick):
        return f"+ {record.action.seconds:g} s"
    return system_described(record)


def _agrees(step: RecordedStep, state: str) -> str:
    if state == "diverged":
        return "differs"
    if step.state is None:
        return "left"
    if step.record.model is None:
        return "silent"
    return "same" if describe_outcome(step.record.model) == system_described(step.record) else "differs"


def _messages(state: str, replayed: Replayed, tolerated: tuple[str, ...]) -> tuple[str, ...]:
    finding, diverged = replayed.finding, replayed.run.judge.diverged
    said = []
    if state == "broken" and finding is not None:
        said += [f"the model: {finding.expected}"] * bool(finding.expected) + [f"{finding.got}"]
    if state == "diverged":
        found = finding if finding is not None and finding.invariant is None else diverged
        said += [contrast(found.expected, found.got)] if found is not None else []
    return (*said, *[f"tolerated: {text}" for text in tolerated])


def _marks(step: RecordedStep) -> tuple[Mark, ...]:
    record, found = step.record, list[Mark]()
    lost = step.paused_at in (PausePoint.COMMITTED, PausePoint.REPLY)
    if isinstance(record.action, Crash | Fail | PowerLoss) and lost:
        found.append(Mark(kind="lost", text="reply lost"))
    if isinstance(step.scheduled, Fail) and not lost:
        found.append(Mark(kind="failed", text="handler fails"))
    if isinstance(record.action, Rollback):
        found.append(Mark(kind="lost", text="rollback"))
    if isinstance(step.scheduled, Release):
        found.append(Mark(kind="failed", text="released"))
    if isinstance(step.scheduled, TimeOut):
        found.append(Mark(kind="failed", text="timed out"))
    if isinstance(step.scheduled, Hang):
        found.append(Mark(kind="failed", text="hangs"))
    if isinstance(step.scheduled, LostReply):
        found.append(Mark(kind="lost", text="reply lost"))
    if isinstance(record.action, ClockBack):
        found.append(Mark(kind="lost", text="clock back"))
    if record.action != step.scheduled:
        found.append(Mark(kind="crash", text="poison"))
    for job in record.after.jobs:
        old, new = len(record.before.effects_of(job.id)), len(record.after.effects_of(job.id))
        if new > old:
            found.append(Mark(kind="effect", text="effect" if new == 1 else f"effect {new} of job-{job.id}"))
    if (charges := len(record.after.charges)) > len(record.before.charges):
        found.append(Mark(kind="charge", text="charge" if charges == 1 else f"charge {charges}"))
    kinds = [event.event for event in record.events]
    if EventKind.BURIED in kinds:
        found.append(Mark(kind="buried", text="dead letter"))
    if record.moved.problem:
        found.append(Mark(kind="refused", text="error"))
    return tuple(found)


def kind_of(row: Row) -> str:
    """The picture that stands for the whole step."""
    system = row.system
    if row.action in ("Crash", "PowerLoss", "Tick"):
        return {"Crash": "crash", "PowerLoss": "power", "Tick": "tick"}[row.action]
    if system.startswith("refused"):
        return "refused"
    if system == "waits for a lock":
        return "blocked"
    return "dot"


def _outcome(replayed: Replayed) -> str:
    finding, judge = replayed.finding, replayed.run.judge
    if judge.off_target is not None:
        return f"{judge.off_target} breaks first"
    if finding is None:
        return "diverges" if judge.diverged is not None else "holds"
    where = f"at step {finding.step}" if finding.step else "in the recovery"
    return f"{'breaks ' + finding.invariant if finding.invariant else 'diverges'} {where}"


def _notes(replayed: Replayed, left_out: int) -> tuple[str, ...]:
    skipped = len(replayed.skipped)
    some = "1 action was" if skipped == 1 else f"{skipped} actions were"
    notes = [f"{some} impossible here and skipped"] * bool(skipped)
    notes += [f"the recovery goes on like this: {left_out} steps before its last ones are not shown"] * bool(
        left_out
    )
    return tuple(notes)
