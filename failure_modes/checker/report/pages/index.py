"""The index of pages: every trace with a small picture, and the failure modes as a matrix.

A reader filters the traces by invariant, policy, store and length. The filter is in the address of the page,
so a link can have one.
"""

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.report.pages.bars import MODEL
from failure_modes.checker.report.pages.story import Side, kind_of, side_of
from failure_modes.checker.report.pages.templating import filled
from failure_modes.checker.report.rendering import shows_recovery
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.traces.replay import Replayed
from model.invariants import INVARIANTS, invariant

NO_INVARIANT = "divergence"
"""Stands where a trace breaks no invariant."""


@frozen(kw_only=True)
class Entry:
    """One trace of the index. `address` is that of its page."""

    failure_mode: str
    title: str
    name: str
    why: str
    invariant: str
    policy: str
    store: str
    granularity: str
    length: int
    as_expected: bool
    address: str
    side: Side


@frozen(kw_only=True)
class Cell:
    """The failure modes that one policy prevents and that break one invariant, and their shortest trace."""

    names: tuple[str, ...]
    shortest: int | None


@frozen(kw_only=True)
class MatrixRow:
    """A policy, and a cell for each invariant."""

    policy: str
    cells: tuple[Cell, ...]


def entry_of(replayed: Replayed, *, name: str, address: str) -> Entry:
    """The entry of a trace, from its replay on the broken system."""
    trace, mode = replayed.trace, replayed.mode
    return Entry(
        failure_mode=trace.failure_mode or "",
        title=mode.title if mode else "",
        name=name,
        why=trace.why,
        invariant=trace.breaks.invariant or NO_INVARIANT,
        policy=mode.policy if mode else "",
        store=str(trace.scope.store),
        granularity=str(trace.scope.granularity),
        length=len(trace.actions),
        as_expected=replayed.as_expected,
        address=address,
        side=side_of(replayed, label="", key="a", to_end=shows_recovery(replayed)),
    )


def write_index(path: Path, entries: Sequence[Entry], modes: Sequence[FailureMode]) -> None:
    """Write the index. Raises OSError, NotInstalled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, index_text(entries, modes))


def index_text(entries: Sequence[Entry], modes: Sequence[FailureMode]) -> str:
    """The HTML of the index."""
    titles = {rule.id: rule.title for rule in INVARIANTS} | {NO_INVARIANT: "differs from the model"}
    return filled(
        "index.html.jinja",
        script="index.js",
        entries=entries,
        titles=titles,
        invariants=_values([entry.invariant for entry in entries]),
        policies=_values([entry.policy for entry in entries]),
        stores=_values([entry.store for entry in entries]),
        longest=max([entry.length for entry in entries], default=0),
        columns=[rule.id for rule in INVARIANTS],
        rows=matrix_of(modes),
        deepest=max([one.expected.shortest for mode in modes for one in mode.each], default=1),
        title_of=lambda identity: invariant(identity).title,
        kind_of=kind_of,
        model=MODEL,
    )


def matrix_of(modes: Sequence[FailureMode]) -> tuple[MatrixRow, ...]:
    """The failure modes by the policy that prevents them and the invariant that they break."""
    each = [one for mode in modes for one in mode.each]
    rows = []
    for policy in _values([one.policy for one in each]):
        cells = []
        for rule in INVARIANTS:
            here = [one for one in each if (one.policy, one.breaks) == (policy, rule.id)]
            shortest = min([one.expected.shortest for one in here], default=None)
            cells.append(Cell(names=tuple([one.id for one in here]), shortest=shortest))
        rows.append(MatrixRow(policy=policy, cells=tuple(cells)))
    return tuple(rows)


def _values(found: Sequence[str]) -> list[str]:
    return sorted({value for value in found if value})
