"""Looks after kept traces: which of them break no more, and which show nothing that a shorter one does not.

A trace is *stale* if its replay is not as expected. It is *dull* if a shorter trace with the same scope
breaks the same invariant, the longer one only has more actions in between, and these lead to no kind of
event, wait or error that the shorter one does not have.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.traces.replay import Replayed, replay
from failure_modes.checker.traces.trace import Trace
from model.actions import Action


class Health(StrEnum):
    """What a check says of a kept trace."""

    GOOD = "good"
    STALE = "stale"
    DULL = "dull"


@frozen(kw_only=True)
class Checked:
    """A trace that was checked. `reason` says why it is not good."""

    path: Path
    trace: Trace
    health: Health
    reason: str = ""


def check(path: Path, trace: Trace, others: Iterable[tuple[Path, Trace]]) -> Checked:
    """Replay a trace, and compare it with others. Raises NotInstalled."""
    replayed = replay(trace)
    if not replayed.as_expected:
        found = replayed.finding
        now = "breaks nothing" if found is None else f"breaks {found.invariant or 'nothing, and diverges'}"
        at = f" at step {found.step}" if found is not None and found.step else ""
        return Checked(path=path, trace=trace, health=Health.STALE, reason=f"it {now}{at}")
    shorter = _shorter_of(path, replayed, others)
    if shorter is not None:
        return Checked(path=path, trace=trace, health=Health.DULL, reason=f"{shorter.name} is shorter")
    return Checked(path=path, trace=trace, health=Health.GOOD)


def _shorter_of(path: Path, replayed: Replayed, others: Iterable[tuple[Path, Trace]]) -> Path | None:
    """The file of a trace that makes this one dull; None if there is none."""
    trace = replayed.trace
    for other_path, other in others:
        same = (other.failure_mode, other.breaks.invariant, other.scope) == (
            trace.failure_mode,
            trace.breaks.invariant,
            trace.scope,
        )
        shorter = len(other.actions) < len(trace.actions)
        if not (same and shorter) or other_path == path or not _is_within(other.actions, trace.actions):
            continue
        known = replay(other)
        if known.as_expected and _kinds(replayed) <= _kinds(known):
            return other_path
    return None


def _kinds(replayed: Replayed) -> set[tuple[object, ...]]:
    """What kinds of things happen in a run: actions, audit events, waits for locks and errors."""
    found: set[tuple[object, ...]] = set()
    for step in replayed.steps:
        record = step.record
        found.add((type(record.action), record.blocked, record.moved.problem))
        found |= {(event.operation, event.event, event.reason) for event in record.events}
    return found


def files_of(path: Path) -> tuple[Path, ...]:
    """The file of a kept trace, and the expected texts that belong to it."""
    expected = path.parent.parent / "expected"
    return (path, *sorted(expected.glob(f"{path.stem}.*.txt")))


def _is_within(shorter: tuple[Action, ...], longer: tuple[Action, ...]) -> bool:
    """True if the longer trace has the actions of the shorter one in their order, under canonical names."""
    left = iter(canonical(longer))
    return all(action in left for action in canonical(shorter))
