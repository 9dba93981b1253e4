"""What an action read and wrote, as observed. Two independent actions need to be tried in one order only.

Two actions of different processes are independent in a state if neither writes what the other reads or
writes. Then they lead to the same state in either order, and neither hinders the other. This is the
relation that sleep sets need (Patrice Godefroid, "Partial-Order Methods for the Verification of Concurrent
Systems", LNCS 1032, 1996, chapter 5).
"""

import re
from collections.abc import Iterable
from functools import cache

from attrs import frozen

from failure_modes.checker.proof.seen_step import Read, SeenStep
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.gateway import CHARGES
from failure_modes.checker.simulation.stepping import StatementResult
from model.events import Operation, Outcome


@frozen(eq=False)
class Footprint:
    """What one action touched. `wrote` are the rows that it added, removed or changed."""

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
"""The footprint of an action that moves no process, or that was not observed."""


def of_crash(name: str, *, held: bool) -> Footprint:
    """A crash reads the executions that it interrupts, for the ledger, and releases the process's lock."""
    return Footprint(name, frozenset([("executions", "worker", name)]), moves_lock=held)


def of_move(
    name: str,
    seen: SeenStep,
    *,
    held: bool,
    contents: tuple[Content, Content],
    columns: dict[str, tuple[str, ...]],
    model: Outcome | None,
) -> Footprint:
    """The footprint of a process that has just moved.

    `held`: the process held the lock before. `contents` are the store's before and after the move.
    """
    after = seen.process
    assert after is not None, "a process has moved"
    reads = reads_of(seen.statements, tuple(columns), called=seen.called_gateway)
    return Footprint(
        name,
        reads | reads_of_model(model),
        *writes_of(*contents, columns),
        moves_lock=held != after.in_transaction,
        needs_lock=after.waits or (bool(seen.statements) and not held),
        reads_clock=seen.read_clock,
    )


def independent(one: Footprint, other: Footprint) -> bool:
    """True if the two, as far as they touch the system, lead to the same state in either order.

    Two actions that spend of the same bound are never independent: the caller checks that.
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


def reads_of(
    statements: Iterable[StatementResult], tables: tuple[str, ...], *, called: bool = False
) -> frozenset[Read]:
    """The rows that the answers depended on. A gateway that is called reads all of its own rows."""
    found: set[Read] = {(CHARGES, None, None)} if called else set()
    for ran in statements:
        found.update(_reads(ran, tables))
    return frozenset(found)


def _reads(ran: StatementResult, tables: tuple[str, ...]) -> list[Read]:
    named, column = _asks(ran.sql, tables)
    if ran.error is not None:  # some row made it fail
        return [(table, None, None) for table in tables]
    if column is not None:
        return [(named[0], column, ran.parameters[-1])]
    return [(table, None, None) for table in named]


_ONE_VALUE = re.compile(r"\bWHERE (\w+) = \?(?: ORDER BY \w+(?: DESC)?)?(?: LIMIT 1)?$")


@cache
def _asks(sql: str, tables: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The tables whose rows a statement reads; and the column, where it reads the rows of one value only.

    An INSERT that succeeded met no row that conflicts with its own.
    """
    named = tuple([table for table in tables if re.search(rf"\b{table}\b", sql)])
    if sql.startswith("INSERT INTO") and "SELECT" not in sql:
        return (), None
    found = _ONE_VALUE.search(sql)
    if found and len(named) == 1 and sql.count("WHERE") == 1:
        return named, found.group(1)
    return named, None


def reads_of_model(outcome: Outcome | None) -> frozenset[Read]:
    """The rows that the model's answer depended on: a system that reads fewer may still diverge from it.

    The rows of retries and of the breaker are none of them: under limits no action sleeps.
    """
    found: set[Read] = set()
    if outcome is not None:
        if outcome.operation is Operation.LEASE:
            found.add(("jobs", None, None))
        if outcome.operation is Operation.RECONCILE:
            found.add(("executions", None, None))
        for event in outcome.events:
            found |= {("jobs", "id", event.job), ("executions", "job_id", event.job)}
            if outcome.operation is Operation.COMMIT:
                found.add(("effects", "job_id", event.job))
    return frozenset(found)


def writes_of(
    before: Content, after: Content, columns: dict[str, tuple[str, ...]]
) -> tuple[tuple[tuple[str, frozenset[tuple[str, object]]], ...], frozenset[str]]:
    """The rows that differ, with their values before and after; the tables that gained or lost a row."""
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
