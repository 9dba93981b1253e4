"""What an action read and wrote, as observed; and hence whether two actions may be tried in one order only.

Two actions of different processes are independent in a state if neither writes what the other reads or
writes: then they lead to the same state in either order, and neither hinders the other. This is the
relation that sleep sets need (Patrice Godefroid, "Partial-Order Methods for the Verification of Concurrent
Systems", LNCS 1032, 1996, chapter 5).
"""

import re
from functools import cache

from attrs import frozen

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.gateway import CHARGES
from failure_modes.checker.simulation.stepping import Ran
from model.events import Outcome

Read = tuple[str, str | None, object]
"""Rows of a table: those with a value in a column; all of them where the column is None."""


@frozen(eq=False)
class Footprint:
    """What one action touched. `wrote` are rows that are new, gone or other than they were."""

    actor: str | None
    reads: frozenset[Read] = frozenset()
    wrote: tuple[tuple[str, frozenset[tuple[str, object]]], ...] = ()
    tables: frozenset[str] = frozenset()
    """The tables in which the number of rows changed."""
    moves_lock: bool = False
    needs_lock: bool = False
    moves_clock: bool = False
    reads_clock: bool = False


UNSEEN = Footprint(None, moves_clock=True)
"""Of what moves no process, or was not looked at."""


def of_crash(name: str, *, held: bool) -> Footprint:
    """A crash reads whom it hit, for the books; and lets go of the lock, if the process held it."""
    return Footprint(name, frozenset([("executions", "worker", name)]), moves_lock=held)


def independent(one: Footprint, other: Footprint) -> bool:
    """Whether the two, as far as they touch the system, lead to the same state in either order.

    Two that spend of the same bound are never independent: who calls looks to that.
    """
    if one.actor == other.actor:
        return False
    return not (_hinders(one, other) or _hinders(other, one))


def _hinders(one: Footprint, other: Footprint) -> bool:
    if one.moves_clock and (other.reads_clock or other.moves_clock):
        return True
    if one.moves_lock and (other.moves_lock or other.needs_lock):
        return True
    if one.tables & other.tables:
        return True
    for table, values in one.wrote:
        for read_table, column, value in other.reads:
            if read_table == table and (column is None or (column, value) in values):
                return True
        for other_table, other_values in other.wrote:
            if other_table == table and _same_row(values, other_values):
                return True
    return False


def _same_row(one: frozenset[tuple[str, object]], other: frozenset[tuple[str, object]]) -> bool:
    return any(column == "id" and (column, value) in other for column, value in one)


def reads_of(statements: list[Ran], tables: tuple[str, ...], *, called: bool = False) -> frozenset[Read]:
    """The rows that the answers depended on. A gateway that is called looks at all of its own."""
    found: set[Read] = {(CHARGES, None, None)} if called else set()
    for ran in statements:
        found.update(_reads(ran, tables))
    return frozenset(found)


def _reads(ran: Ran, tables: tuple[str, ...]) -> list[Read]:
    named, column = _asks(ran.sql, tables)
    if ran.error is not None:  # it ran into a row
        return [(table, None, None) for table in tables]
    if column is not None:
        return [(named[0], column, ran.parameters[-1])]
    return [(table, None, None) for table in named]


_ONE_VALUE = re.compile(r"\bWHERE (\w+) = \?(?: ORDER BY \w+(?: DESC)?)?(?: LIMIT 1)?$")


@cache
def _asks(sql: str, tables: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The tables whose rows a statement looks at; and the column, where it looks at one value of it only.

    An INSERT that was carried out found no row in its way.
    """
    named = tuple([table for table in tables if re.search(rf"\b{table}\b", sql)])
    if sql.startswith("INSERT INTO") and "SELECT" not in sql:
        return (), None
    found = _ONE_VALUE.search(sql)
    if found and len(named) == 1 and sql.count("WHERE") == 1:
        return named, found.group(1)
    return named, None


def reads_of_model(outcome: Outcome | None) -> frozenset[Read]:
    """The rows that the model's answer depended on: a system that looks at less may still part from it."""
    found: set[Read] = set()
    if outcome is not None:
        if outcome.operation == "lease":
            found |= {(table, None, None) for table in ("jobs", "retries", "breaker")}
        if outcome.operation == "reconcile":
            found.add(("executions", None, None))
        if outcome.operation in ("fail", "finish"):
            found.add(("breaker", None, None))
        for event in outcome.events:
            found |= {("jobs", "id", event.job), ("executions", "job_id", event.job)}
            if outcome.operation == "commit":
                found.add(("effects", "job_id", event.job))
    return frozenset(found)


def writes_of(
    before: Content, after: Content, columns: dict[str, tuple[str, ...]]
) -> tuple[tuple[tuple[str, frozenset[tuple[str, object]]], ...], frozenset[str]]:
    """The rows that differ, with the values that they have or had; the tables that gained or lost a row."""
    if before is after:
        return (), frozenset()
    wrote, tables = [], set()
    for (table, old), (_, new) in zip(before, after, strict=True):
        if old == new or table not in columns:
            continue
        changed: dict[object, set[tuple[str, object]]] = {}
        for row in set(old) ^ set(new):
            changed.setdefault(row[0], set()).update(zip(columns[table], row, strict=True))
        wrote += [(table, frozenset(values)) for values in changed.values()]
        if len(old) != len(new):
            tables.add(table)
    return tuple(wrote), frozenset(tables)
