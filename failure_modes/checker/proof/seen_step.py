"""A step that was taken on the real system, as a value: what it did, and what it depended on."""

from attrs import evolve, frozen

from failure_modes.checker.oracle.system_side import SystemStep
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.stepping import Row, StatementResult

EVERY = ()
"""In the place of a value: all the values that the column has. No value of a row is a tuple."""

Read = tuple[str, str | None, object]
"""Rows of a table: those with this value in a column, or with one of a frozen set of values. All of them
where the column is None. Where the value is `EVERY`, no other column of the rows counts."""

Reads = frozenset[Read]

RowChange = tuple[Row | None, Row | None]
"""A row before and after; None where there is none."""

Changes = tuple[tuple[int, dict[object, RowChange]], ...]
"""The rows that differ by their ids, and before them the place of their table in a content."""


@frozen(kw_only=True, eq=False)
class SeenStep:
    """A step that was taken on the real system.

    `process` is the process that moved, after the step. `released`: a lock was released.
    """

    done: SystemStep
    process: ProcessSnapshot | None
    elapsed_ms: int
    released: bool
    statements: tuple[StatementResult, ...]
    called_gateway: bool
    read_clock: bool
    reads: Reads
    """The rows that the result depends on. Empty where steps are not remembered."""
    changes: Changes
    """The rows that the step changed. Empty where steps are not remembered."""

    def equals(self, other: "SeenStep") -> bool:
        """True if both ran the same statements with the same results, and changed the same."""
        return _compared(self) == _compared(other)


def _compared(seen: SeenStep) -> tuple[object, ...]:
    done = seen.done
    return (
        seen.statements,
        seen.process,
        seen.changes,
        seen.elapsed_ms,
        seen.released,
        seen.called_gateway,
        seen.read_clock,
        evolve(done.moved, changed=False),  # the changes say that, and a crash does not know
        (done.operation, done.events, done.read_at, done.visibility, done.current_job),
    )
