"""Two states with one fingerprint have the same futures; and a restored state is what was there.

The traces are drawn at random, and every step is really taken: nothing is remembered.
"""

import random
from collections import Counter

import pytest
from attrs import asdict, evolve, frozen

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds, Spent
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.oracle.lockstep import Lockstep, Snapshot
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.endings import Endings
from failure_modes.checker.proof.explorer import renamed
from failure_modes.checker.proof.nodes import Nodes
from failure_modes.checker.proof.state_change import DeadEnd
from failure_modes.checker.proof.successors import Successors
from failure_modes.checker.simulation.process_snapshot import ProcessState
from failure_modes.checker.simulation.stepping import PausePoint
from model.actions import Action, Crash, Enqueue, Heartbeat, Reconcile, Step, Tick
from tests.checker.oracle.test_breakages import BREAKAGES

TRANSACTION, STATEMENT = Granularity.TRANSACTION, Granularity.STATEMENT
BOTH = pytest.mark.parametrize("granularity", list(Granularity))
BOUNDS = Bounds(jobs=2, ticks=2, crashes=1, failures=1, heartbeats=1, reconciles=1, retries=1)


@frozen(eq=False)
class _Place:
    """A state, with its fingerprint, in the world that it was reached in."""

    walker: Successors
    alphabet: Alphabet
    there: Snapshot
    spent: Spent = NOTHING_SPENT

    @property
    def digest(self) -> bytes:
        return self.walker.fingerprints.with_spent(self.base, self.spent)

    @property
    def base(self) -> bytes:
        return self.walker.fingerprints.of(self.there)[0]

    def ways(self) -> dict[Action, tuple[Action, Spent]]:
        """What can happen, by its name in the fingerprint."""
        _, names = self.walker.fingerprints.of(self.there)
        possible = self.alphabet.possible(self.there.system.processes, self.spent)
        return {renamed(action, names): (action, spent) for action, spent in possible}

    def go(self, action: Action, spent: Spent) -> "_Place | DeadEnd":
        """Where the action leads to."""
        change = self.walker.step(self.there, action)
        if isinstance(change, DeadEnd):
            return change
        return evolve(self, there=self.walker.after(self.there, action, change), spent=spent)

    def literal(self) -> dict[str, object]:
        """All of the state, as it is."""
        return asdict(self.there, recurse=False)


def _place(scope: Scope, fault: Fault = guarded, *, answers: bool = True, symmetry: bool = True) -> _Place:
    """The start, in a world of its own: no other trace has left anything there."""
    scope = evolve(scope, tick_seconds=(30, 15))
    walker = Successors(scope, fault, None, memory=False, answers=answers, symmetry=symmetry)
    return _Place(walker, Alphabet(scope, BOUNDS), walker.start)


# The same futures.


def _met(scope: Scope, fault: Fault, walks: int) -> list[tuple[str, _Place, _Place]]:
    """Pairs of different states with one fingerprint, and how they differ."""
    known: dict[bytes, list[_Place]] = {}
    pairs = []
    for seed in range(walks):
        chance = random.Random(seed)
        place = _place(scope, fault)
        for _ in range(chance.choice((6, 12, 25, 50))):
            possible = place.alphabet.possible(place.there.system.processes, place.spent)
            after = place.go(*chance.choice(possible))
            if isinstance(after, DeadEnd):
                break
            place = after
            others = known.setdefault(place.digest, [])
            if all(other.literal() != place.literal() for other in others):
                pairs += [(_difference(other, place), other, place) for other in others[:3]]
                others.append(place)
    random.Random(0).shuffle(pairs)
    return pairs


def _difference(one: _Place, other: _Place) -> str:
    if one.walker.fingerprints.of(one.there)[1] != other.walker.fingerprints.of(other.there)[1]:
        return "workers"
    if one.there.system.now != other.there.system.now:
        return "time"
    return "history"


class _Futures:
    """Compares what follows, and counts it."""

    def __init__(self) -> None:
        self.compared = 0
        self.ends = 0

    def compare(self, one: _Place, other: _Place, depth: int, chance: random.Random | None = None) -> None:
        """All that follows within so many actions; with `chance`, one way of it."""
        assert one.digest == other.digest
        ways, others = one.ways(), other.ways()
        assert ways.keys() == others.keys()
        assert [spent for _, spent in ways.values()] == [others[name][1] for name in ways]
        if not depth:
            return
        for name in [chance.choice(list(ways))] if chance else ways:
            after, also = one.go(*ways[name]), other.go(*others[name])
            self.compared += 1
            if isinstance(after, DeadEnd) or isinstance(also, DeadEnd):
                self.ends += 1
                assert _broken(after) == _broken(also), name
            else:
                self.compare(after, also, depth - 1, chance)


def _broken(reached: "_Place | DeadEnd | None") -> tuple[str | None, str | None] | None:
    if not isinstance(reached, DeadEnd):
        return None
    assert reached.finding is not None, "nothing is hunted, so nothing is left aside"
    return reached.finding.invariant, "" if reached.finding.step is None else "on the way"


ALIKE = {"workers": 15, "time": 15}
UNWRITTEN = "an effect without what the handler wrote"


@pytest.mark.parametrize(
    ("granularity", "fault"),
    [(TRANSACTION, guarded), (STATEMENT, guarded), (TRANSACTION, BREAKAGES[UNWRITTEN])],
    ids=["transaction", "statement", "broken"],
)
def test_two_states_with_one_fingerprint_have_the_same_futures(
    granularity: Granularity, fault: Fault
) -> None:
    """The same is possible in both, up to the names of the workers, and leads to equal fingerprints again.

    They end alike, too: by the same violation on the way, or in the liveness run from here.
    """
    pairs = _met(Scope(granularity=granularity), fault, walks=90)
    futures = _Futures()
    left = Counter(ALIKE)
    for kind, one, other in pairs:
        if not left[kind]:
            continue
        left[kind] -= 1
        futures.compare(one, other, 2)
        for seed in range(2):
            futures.compare(one, other, 20, random.Random(seed))
        ends = []
        for place in (one, other):
            graph = Nodes(place.walker, remembers=False)
            wrong = Endings(place.walker, graph).of(graph.node(place.there))
            ends.append({_broken(end) for end, _ in wrong})
        assert ends[0] == ends[1]
    for place in {id(place.walker): place for _, *both in pairs for place in both}.values():
        place.walker.close()
    assert not +left, f"too few pairs of these kinds were met: {dict(+left)}"
    assert futures.compared > 1_000
    assert (futures.ends > 0) == (fault is not guarded)


# What is restored.


@BOTH
@pytest.mark.parametrize("answers", [True, False], ids=["answers", "logs"])
def test_a_state_that_is_put_back_is_the_state(granularity: Granularity, *, answers: bool) -> None:
    """Going from state to state, and elsewhere in between, is as good as a run that never goes back."""
    scope = Scope(granularity=granularity)
    met: Counter[str] = Counter()
    for seed in range(15):
        chance = random.Random(seed)
        place = _place(scope, answers=answers)
        passed = [place]
        with Lockstep(scope) as plain:
            for _ in range(80):
                snapshots, spent = place.there.system.processes, place.spent
                possible = place.alphabet.possible(snapshots, spent)
                assert {action for action, _ in possible} <= {
                    action for action in place.alphabet.actions if plain.possible(action)
                }
                action, spent = chance.choice(possible)
                if chance.random() < 0.5:
                    elsewhere = chance.choice(passed)
                    elsewhere.go(*chance.choice(list(elsewhere.ways().values())))
                record = plain.apply(action)
                change = place.walker.step(place.there, action)
                assert not isinstance(change, DeadEnd)
                assert (change.events, change.committed) == (record.events, record.committed)
                there = place.walker.after(place.there, action, change)
                place = evolve(place, there=there, spent=spent)
                passed.append(place)
                assert (there.system.durable, there.system.now) == (plain.durable, plain.now)
                assert there.state == plain.reference.state
                known, processes = there.system.processes, plain.world.processes.values()
                assert [_where(one) for one in known] == [_where(one) for one in processes]
                assert there.ledger.accepted == tuple(plain.ledger.accepted)
                met.update([type(action).__name__] + ["blocked"] * record.blocked)
                if isinstance(action, Crash) and any(snapshot.in_transaction for snapshot in snapshots):
                    met["a crash beside or in a transaction"] += 1
        place.walker.close()
    wanted = {"Crash", "Fail", "Heartbeat", "Reconcile", "Tick", "Enqueue", "Step"}
    if granularity is STATEMENT:
        wanted |= {"blocked", "a crash beside or in a transaction"}
    assert not wanted - set(met)


def _where(place: ProcessState) -> tuple[PausePoint | None, bool]:
    """Where a process stands; where it waits to be moved while at rest is nobody's business."""
    return None if place.at_rest else place.at, place.waits


# What is told apart, and what is not.

A, B = Step(worker="A"), Step(worker="B")
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
A_DIES, B_DIES = Crash(worker="A"), Crash(worker="B")
RECONCILE, SECOND, LEASE = Reconcile(), Tick(seconds=1), Tick(seconds=30)
Trace = tuple[Action, ...]

APART: dict[str, tuple[Granularity, Trace, Trace]] = {
    "another status": (TRANSACTION, (K1, A), (K1, A, A)),
    "another lease end": (TRANSACTION, (K1, A), (K1, A, SECOND)),
    "an extended lease": (TRANSACTION, (K1, A, A, SECOND), (K1, A, A, SECOND, Heartbeat(worker="A"))),
    "one more attempt": (TRANSACTION, (K1, B), (K1, A, LEASE, A, B)),
    "a worker that crashed": (TRANSACTION, (K1, A), (K1, A, A_DIES)),
    "another worker that crashed": (TRANSACTION, (K1, K2, A, B, A_DIES), (K1, K2, A, B, B_DIES)),
    "a fault that nobody was told of": (TRANSACTION, (K1, A, LEASE, A), (K1, A, LEASE, A_DIES)),
    "a fault that was told of": (TRANSACTION, (K1, A, LEASE, A_DIES), (K1, A, LEASE, A_DIES, RECONCILE)),
    "another current job": (TRANSACTION, (K1, K2, A, B, A), (K1, K2, A, B, B)),
    "another job accepted": (TRANSACTION, (K1,), (K2,)),
    "a step into a transaction": (STATEMENT, (), (A,)),
    "the time that was read": (STATEMENT, (A, SECOND), (SECOND, A)),
    "a wait for a lock": (STATEMENT, (A,), (A, B)),
    "a commit that is not known of": (STATEMENT, (A, A, A), (A, A, A, A)),
    "another key of the current enqueue": (STATEMENT, (K1,), (K2,)),
}
ONE: dict[str, tuple[Granularity, Trace, Trace]] = {
    "another worker": (TRANSACTION, (K1, A, A), (K1, B, B)),
    "another time": (TRANSACTION, (K1, A), (SECOND, K1, A)),
    "a question in vain": (TRANSACTION, (K1,), (A, B, K1)),
    "a duplicate that was told of": (TRANSACTION, (K1,), (K1, K1)),
    "a worker that polled through statements": (STATEMENT, (), (A, A, A, A)),
    "the other worker in a transaction": (STATEMENT, (A, A), (B, B)),
    "a wait that is over": (STATEMENT, (A, A, A, B), (A, B, A, A, B)),
}


def _reached(granularity: Granularity, trace: Trace, *, symmetry: bool = True) -> bytes:
    place = _place(Scope(granularity=granularity), symmetry=symmetry)
    for action in trace:
        after = place.go(action, NOTHING_SPENT)
        assert isinstance(after, _Place)
        place = after
    base = place.base
    place.walker.close()
    return base


@pytest.mark.parametrize("difference", APART)
def test_states_that_differ_in_what_matters_are_told_apart(difference: str) -> None:
    """A fingerprint sees each of these differences."""
    granularity, one, other = APART[difference]
    assert _reached(granularity, one) != _reached(granularity, other)


@pytest.mark.parametrize("difference", ONE)
def test_states_that_differ_in_nothing_that_matters_are_one(difference: str) -> None:
    """A fingerprint overlooks each of these differences; the names of the workers only by symmetry."""
    granularity, one, other = ONE[difference]
    assert _reached(granularity, one) == _reached(granularity, other)
    apart = _reached(granularity, one, symmetry=False) != _reached(granularity, other, symmetry=False)
    assert apart == ("other worker" in difference)
