"""Independence: what two footprints say of two actions is checked by doing them in both orders."""

import random

import pytest

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds, Spent
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.footprint import Footprint, independent, reads_of
from failure_modes.checker.proof.state_change import DeadEnd, StateChange
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.stepping import StatementResult
from model.actions import Action

TABLES = ("jobs", "executions", "effects")
BOUNDS = Bounds(jobs=3, retries=1, ticks=2, crashes=2, failures=2, heartbeats=2, reconciles=2)


def _after(walker: Successors, there: Snapshot, action: Action) -> tuple[StateChange, Snapshot]:
    change = walker.step(there, action)
    assert not isinstance(change, DeadEnd), change
    return change, walker.after(there, action, change)


def _pairs(
    walker: Successors, alphabet: Alphabet, there: Snapshot, spent: Spent
) -> list[tuple[Action, Action, bool]]:
    """Each pair of actions that may be taken in either order, and whether they are called independent."""
    found = []
    possible = alphabet.possible(there.system.processes, spent)
    for at, (one, _) in enumerate(possible):
        for other, _ in possible[at + 1 :]:
            shares = {*(alphabet.kinds(one, spent) or ())} & {*(alphabet.kinds(other, spent) or ())}
            footprints = [_after(walker, there, action)[0].footprint for action in (one, other)]
            found.append((one, other, not shares and independent(*footprints)))
    return found


@pytest.mark.parametrize(
    ("granularity", "walks", "wanted"),
    [
        (Granularity.TRANSACTION, 10, 150),
        (Granularity.STATEMENT, 8, 1_200),
        pytest.param(Granularity.TRANSACTION, 60, 1_000, marks=pytest.mark.slow),
        pytest.param(Granularity.STATEMENT, 25, 4_000, marks=pytest.mark.slow),
    ],
)
def test_independent_actions_lead_to_the_same_state_in_either_order(
    granularity: Granularity, walks: int, wanted: int
) -> None:
    """On random walks, whatever the footprints call independent commutes, and neither hinders the other."""
    scope = Scope(workers=3, granularity=granularity)
    alphabet = Alphabet(scope, BOUNDS)
    walker = Successors(scope, guarded, None)
    met = dependent = 0
    for seed in range(walks):
        chance = random.Random(seed)
        there, spent = walker.start, NOTHING_SPENT
        for _ in range(40 if granularity is Granularity.TRANSACTION else 160):
            for one, other, are_independent in _pairs(walker, alphabet, there, spent):
                if not are_independent:
                    dependent += 1
                    continue
                met += 1
                ways = []
                for first, second in ((one, other), (other, one)):
                    between = _after(walker, there, first)[1]
                    assert second in dict(alphabet.possible(between.system.processes, spent))
                    ways.append(walker.fingerprints.of(_after(walker, between, second)[1])[0])
                assert ways[0] == ways[1], (one, other)
            action, spent = chance.choice(alphabet.possible(there.system.processes, spent))
            there = _after(walker, there, action)[1]
    walker.close()
    assert met >= wanted, met
    assert dependent >= wanted, dependent


def test_a_read_of_one_value_is_hindered_by_a_row_with_that_value_only() -> None:
    """A row that has, or had, the value that was looked for; and any row where all were looked at."""
    one = reads_of(
        [StatementResult("SELECT id FROM effects WHERE job_id = ? ORDER BY id LIMIT 1", (7,))], TABLES
    )
    every = reads_of([StatementResult("SELECT id FROM effects WHERE job_id <= ?", (7,))], TABLES)
    assert one == {("effects", "job_id", 7)}
    assert every == {("effects", None, None)}
    for value, hinders in ((7, {one: True, every: True}), (8, {one: False, every: True})):
        wrote = (("effects", frozenset([("id", 1), ("job_id", value)])),)
        for reads, expected in hinders.items():
            reader, writer = Footprint("A", reads), Footprint("B", frozenset(), wrote)
            assert independent(reader, writer) is not expected
            assert independent(writer, reader) is not expected


def test_what_is_never_independent() -> None:
    """Two actions of one process; the clock and who reads it; a lock and who needs it; two new rows."""
    assert not independent(Footprint("A"), Footprint("A"))
    assert not independent(Footprint(None, moves_clock=True), Footprint("A", reads_clock=True))
    assert not independent(Footprint("A", moves_lock=True), Footprint("B", needs_lock=True))
    assert not independent(Footprint("A", moves_lock=True), Footprint("B", moves_lock=True))
    tables = frozenset(["effects"])
    assert not independent(Footprint("A", tables=tables), Footprint("B", tables=tables))
    assert independent(Footprint("A", needs_lock=True), Footprint("B", needs_lock=True))
    assert independent(Footprint(None, moves_clock=True), Footprint("A"))


def test_two_that_write_one_row_are_not_independent() -> None:
    """A row is the same if its id is; another value that both have makes it no other row."""
    one, other = (
        Footprint(name, wrote=(("jobs", frozenset([("id", 1), ("n", at)])),)) for at, name in enumerate("AB")
    )
    assert not independent(one, other)
    third = Footprint("B", wrote=(("jobs", frozenset([("id", 2), ("n", 0)])),))
    assert independent(one, third)
    assert independent(one, Footprint("B", wrote=(("effects", frozenset([("id", 1)])),)))


def test_a_clock_that_moves_hinders_another_that_does() -> None:
    """Two ticks of different lengths have an order."""
    assert not independent(Footprint(None, moves_clock=True), Footprint("time", moves_clock=True))
