"""Our queue as a subject: its layout agrees with its schema, and the checker uses the layout."""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve, fields

from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.fingerprint import Fingerprints
from failure_modes.checker.simulation.subject import Layout
from failure_modes.checker.subject.queue_subject import LAYOUT, LAYOUT_AT_SERVER
from failure_modes.checker.subject.worlds import world_of
from model.actions import Enqueue, Step, Tick
from system import store


@pytest.fixture
def schema() -> Iterator[Any]:
    """A connection to an empty queue."""
    world = world_of(Scope(), guarded, restorable=True)
    with world.database.observer._connections.one() as connection:  # noqa: SLF001
        yield connection
    world.close()


def test_every_table_is_declared_in_an_order_in_which_none_refers_to_a_later_one(schema: Any) -> None:
    """The layout declares every table: an undeclared table would be no part of a state."""
    asked = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence' ORDER BY rowid"
    tables = [name for (name,) in schema.execute(asked).fetchall()]
    assert (*LAYOUT.tables, LAYOUT.audit) == tuple(tables)
    assert LAYOUT_AT_SERVER.tables == LAYOUT.tables
    for at, table in enumerate(LAYOUT.tables):
        referred = {row[2] for row in schema.execute(f"PRAGMA foreign_key_list({table})").fetchall()}
        assert referred <= set(LAYOUT.tables[:at])


def test_every_time_and_every_id_is_declared(schema: Any) -> None:
    """The layout declares every column whose name is that of a time or an id."""
    columns = {
        row[1] for table in LAYOUT.tables for row in schema.execute(f"PRAGMA table_info({table})").fetchall()
    }
    assert {column for column in columns if column.endswith("_at")} == LAYOUT.times
    assert {column for column in columns if column.endswith("_id")} == set(LAYOUT.ids)
    assert set(LAYOUT.ids.values()) <= set(LAYOUT.tables)


def test_every_record_that_is_read_from_a_table_is_declared() -> None:
    """Each record comes from a table of the state, and its ids and times are declared."""
    for record, table in LAYOUT.records.items():
        names = {field.name for field in fields(getattr(store, record))}
        assert table in LAYOUT.tables
        assert "id" in names
        assert {name for name in names if name.endswith("_at")} <= LAYOUT.times
        assert {name for name in names if name.endswith("_id")} <= set(LAYOUT.ids)


def test_tables_with_ids_of_their_own_are_declared(schema: Any) -> None:
    """The last id of each numbered table is part of the state."""
    asked = "SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY rowid"
    counted = [name for (name,) in schema.execute(asked).fetchall()]
    assert (*LAYOUT.numbered, LAYOUT.audit) == tuple(counted)


@pytest.mark.parametrize(
    ("layout", "one"), [(LAYOUT, True), (evolve(LAYOUT, times=frozenset()), False)], ids=["times", "none"]
)
def test_times_count_from_now_because_they_are_declared(layout: Layout, *, one: bool) -> None:
    """The same state a minute later has the same fingerprint only if the time columns are declared."""
    assert (_fingerprint(layout, 0) == _fingerprint(layout, 60)) is one


def _fingerprint(layout: Layout, seconds: int) -> bytes:
    world = world_of(Scope(), guarded, restorable=True)
    with Lockstep(Scope(), guarded, world=world) as lockstep:
        if seconds:
            lockstep.apply(Tick(seconds=seconds))
        lockstep.apply(Enqueue(key="k1"))
        lockstep.apply(Step(worker="A"))
        digest, _ = Fingerprints(Scope(), world.content.columns(), layout, symmetry=True).of(
            lockstep.snapshot()
        )
        return digest
