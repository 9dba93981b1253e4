"""The rows that a step depends on: those that its statements read, and those that could have refused a write.

A process is a function of its snapshot, of the results of its statements and of the time. So in every content
in which these rows are the same, the step runs the same statements and changes the same rows. Where this
module does not know which rows a statement depends on, it takes all rows of the table, or of all tables.
"""

import re
from collections import Counter
from functools import cache

from failure_modes.checker.proof.footprint import reads_of
from failure_modes.checker.proof.query_rows import rows_read
from failure_modes.checker.proof.seen_step import EVERY, Read, Reads, RowChange
from failure_modes.checker.simulation.constraints import Constraints
from failure_modes.checker.simulation.content import LAST_IDS, Content
from failure_modes.checker.simulation.recording import StepRecord
from failure_modes.checker.simulation.stepping import READ_ONLY_VERBS, Row, StatementResult, table_of, verb_of
from failure_modes.checker.simulation.subject import Layout
from model.events import Event


class StepReads:
    """Knows the constraints of a database, and so the rows that a step depends on."""

    def __init__(self, constraints: Constraints, columns: dict[str, tuple[str, ...]], layout: Layout) -> None:
        self._constraints = constraints
        self._columns = columns
        self._layout = layout
        self._everything: Reads = frozenset([(table, None, None) for table in (*columns, LAST_IDS)])

    def of(self, step: StepRecord, events: tuple[Event, ...], before: Content, after: Content) -> Reads:
        """The rows that a step depends on. `events` are the audit rows that it wrote."""
        statements = [ran for ran in step.statements if _table_written(ran) != self._layout.audit]
        if any(ran.error is not None for ran in step.statements):
            return self._everything
        tables = tuple(self._columns)
        found = {*reads_of((), tables, called=step.called_gateway)}
        for ran in statements:
            for read in reads_of([ran], tables):
                found.add(rows_read(read[0], ran.sql) if read[1] is None else read)
        for event in events:  # each audit row refers to its job and to its execution
            found |= {("jobs", "id", event.job), ("executions", "id", event.execution)}
        writes = Counter([table for ran in statements if (table := _table_written(ran)) is not None])
        if any(_replaces(ran.sql) or table_of(ran.sql) is None for ran in statements if _writes(ran)):
            return self._everything
        for (table, old), (_, new) in zip(before, after, strict=True):
            changes = row_changes(old, new)
            if changes and not self._add_changed(found, table, changes):
                return self._everything
            if writes[table] > len(changes):  # a row was written twice, or none at all
                found.add((table, None, None))
        return frozenset([self._exact(read) for read in found])

    def _add_changed(self, found: set[Read], table: str, changes: dict[object, RowChange]) -> bool:
        """Add the rows that could refuse these changes. False if any row could."""
        if table == LAST_IDS:
            found.update([(LAST_IDS, "name", name) for name in changes])
            return True
        if table not in self._columns:
            return False
        columns, rules = self._columns[table], self._constraints.tables.get(table)
        referred = {column for parent, column in self._constraints.parents if parent == table}
        for row_id, (old, new) in changes.items():
            found.add((table, columns[0], row_id))
            if old is None:
                numbered = table in self._layout.numbered
                found.add((LAST_IDS, "name", table) if numbered else (table, None, None))
            elif (new is None and referred) or (
                new is not None
                and any(_value(old, columns, at) != _value(new, columns, at) for at in referred)
            ):
                return False
            if new is None or rules is None:
                continue
            for column in rules.unique:
                found.add(
                    (table, None, None) if column is None else (table, column, _value(new, columns, column))
                )
            for key in rules.foreign_keys:
                found.add((key.parent, key.parent_column, _value(new, columns, key.column)))
        return True

    def _exact(self, read: Read) -> Read:
        """The read; of the whole table where the database may compare the value in a way of its own."""
        table, column, value = read
        if column is None or table == LAST_IDS or value is None:
            return read
        rules = self._constraints.tables.get(table)
        known = None if rules is None else rules.comparable.get(column)
        values = value if isinstance(value, frozenset) else (value,)
        exact = value == EVERY or (known is not None and all(type(one) is known for one in values))
        return read if exact else (table, None, None)


def row_changes(old: tuple[Row, ...], new: tuple[Row, ...]) -> dict[object, RowChange]:
    """The rows of a table that differ, by their ids."""
    if old == new:
        return {}
    before, after = {row[0]: row for row in old}, {row[0]: row for row in new}
    ids = [*before, *[row_id for row_id in after if row_id not in before]]
    return {
        row_id: (before.get(row_id), after.get(row_id))
        for row_id in ids
        if before.get(row_id) != after.get(row_id)
    }


def _value(row: Row, columns: tuple[str, ...], column: str) -> object:
    return row[columns.index(column)]


def _writes(ran: StatementResult) -> bool:
    return verb_of(ran.sql) not in READ_ONLY_VERBS


def _table_written(ran: StatementResult) -> str | None:
    return table_of(ran.sql) if _writes(ran) else None


@cache
def _replaces(sql: str) -> bool:
    """True for a write whose conflict is no error."""
    return re.search(r"\b(?:REPLACE|CONFLICT|OR (?:IGNORE|ABORT|FAIL|ROLLBACK))\b", sql.upper()) is not None
