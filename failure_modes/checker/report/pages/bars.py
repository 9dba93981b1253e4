"""The bars and the lines of a picture: leases that run out, and how each process is."""

from attrs import frozen

from failure_modes.checker.experiment.scope import PROCESS_OF
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.traces.recording import RecordedStep
from failure_modes.checker.traces.replay import Replayed
from model.actions import Crash, PowerLoss, actor_of
from model.state import HELD, Durable, Execution, Status

MODEL = "model"
"""The name of the model's lane."""

_LIVE = (*HELD, Status.COMMITTED)
_IN_HANDLER = (PausePoint.HANDLER, PausePoint.REPLY, PausePoint.HUNG)


@frozen(kw_only=True)
class Bar:
    """An execution that is not over, from one half to another.

    `kind`: `held`, `expired` once its lease has run out, `committed` once its effect is written. `left` is
    the rest of the lease, from 0 to 1. Bars of one lane that overlap have different slots.
    """

    execution: int
    job: int
    lane: int
    slot: int
    first: int
    last: int
    kind: str
    left: float
    text: str


@frozen(kw_only=True)
class Line:
    """How a process is, from one half to another: `idle`, `busy` in its handler, `dead`, or `left` behind."""

    lane: int
    first: int
    last: int
    kind: str


def bars_of(steps: tuple[RecordedStep, ...], lanes: tuple[str, ...], lease_ms: int) -> tuple[Bar, ...]:
    """The bars of all executions, in the order of their ids."""
    points = [(Durable(), 0)]
    for step in steps:
        points += [(step.record.after, step.record.now)] * 2  # the lower half, and the next upper half
    points = points[: 2 * len(steps)]
    found: list[Bar] = []
    ids = sorted({execution.id for durable, _ in points for execution in durable.executions})
    for execution_id in ids:
        pieces = _pieces(execution_id, points, lease_ms)
        if not pieces:
            continue
        execution = pieces[0][0]
        if execution.worker not in lanes:
            continue
        lane, first, last = lanes.index(execution.worker), pieces[0][1], pieces[-1][2]
        taken = {bar.slot for bar in found if bar.lane == lane and bar.first <= last and bar.last >= first}
        slot = min(set(range(len(taken) + 1)) - taken)
        found += [
            Bar(
                execution=one.id,
                job=one.job,
                lane=lane,
                slot=slot,
                first=start,
                last=end,
                kind=kind,
                left=left,
                text=_text(one),
            )
            for one, start, end, kind, left in pieces
        ]
    return tuple(found)


def _pieces(
    execution_id: int, points: list[tuple[Durable, int]], lease_ms: int
) -> list[tuple[Execution, int, int, str, float]]:
    """The stretches of halves in which an execution looks the same, while it is not over."""
    found: list[tuple[Execution, int, int, str, float]] = []
    for half, (durable, now) in enumerate(points):
        one = next((known for known in durable.executions if known.id == execution_id), None)
        if one is None or one.status not in _LIVE:
            continue
        left = round(min(1.0, max(0, one.lease_expires_at - now) / lease_ms), 3)
        kind = "committed" if one.status is Status.COMMITTED else "held" if left else "expired"
        if found and found[-1][2] == half - 1 and found[-1][3:] == (kind, left):
            found[-1] = (one, found[-1][1], half, kind, left)
        else:
            found.append((one, half, half, kind, left))
    return found


def lines_of(at: int, lane: str, steps: tuple[RecordedStep, ...], replayed: Replayed) -> list[Line]:
    """The line of a lane, in pieces."""
    kinds: list[str] = []
    now = "idle"
    for number, step in enumerate(steps):
        kinds.append(now)
        if lane == MODEL:
            diverged = replayed.run.judge.diverged_record
            now = "left" if diverged is not None and number + 1 >= diverged else "idle"
        else:
            now = _line_after(lane, step, now)
        kinds.append(now)
    found: list[Line] = []
    for half, kind in enumerate(kinds):
        if found and found[-1].kind == kind:
            found[-1] = Line(lane=at, first=found[-1].first, last=half, kind=kind)
        else:
            found.append(Line(lane=at, first=half, last=half, kind=kind))
    return found


def _line_after(lane: str, step: RecordedStep, now: str) -> str:
    action = step.record.action
    if isinstance(action, PowerLoss) or (
        isinstance(action, Crash) and action.worker == PROCESS_OF.get(lane, lane)
    ):
        return "dead"
    if actor_of(action) != lane:
        return now
    memory = next(known for known in step.processes if known.name == lane)
    return "busy" if memory.at in _IN_HANDLER else "idle"


def _text(one: Execution) -> str:
    return f"exec-{one.id} of job-{one.job}, {one.status}, lease to {one.lease_expires_at / 1000:g} s"
