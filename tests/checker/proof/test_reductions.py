"""The reductions: none changes what is found, nor how short it is.

Each is switched off alone, and all at once; what is found must be what is found with all of them. One case
switches off one reduction alone, the next case another one; `nox -s slow` switches off each in every case.
"""

from collections import Counter
from collections.abc import Collection
from itertools import cycle
from math import perm
from typing import Any

import pytest
from attrs import evolve, fields, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import catalogue, failure_mode
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, guarded
from failure_modes.checker.proof.explorer import ReachedState, Shard
from failure_modes.checker.proof.fingerprint import Fingerprints
from failure_modes.checker.proof.proof import Counts, Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.successors import Successors
from model.state import Settings
from tests.checker.oracle.test_breakages import BREAKAGES

TRANSACTION, STATEMENT = Granularity.TRANSACTION, Granularity.STATEMENT

SWITCHES = tuple([switch.name for switch in fields(Reductions)])
ALL = Reductions(sleep=True)
WITHOUT = tuple([evolve(ALL, **{name: False}) for name in SWITCHES])
NONE = Reductions(**dict.fromkeys(SWITCHES, False))
APART = evolve(ALL, symmetry=False)

EVERY = "each alone, and all at once"
"""What the slow cases switch off."""

AT_SERVER = tuple([mode.id for mode in catalogue() if mode.scope.store is not StoreKind.SQLITE])
"""A proof at a server takes half a minute: `nox -s slow` has it."""


def _cases(*cases: tuple[Any, ...], slow: Collection[object] = ()) -> list[Any]:
    """Each case with one reduction to switch off, in turn, and a slow test with each; `slow`: only that."""
    turns = cycle(SWITCHES)
    usual = [
        pytest.param(*case, switch, id=f"{_id(case)}-{switch}")
        for case, switch in zip(cases, turns, strict=False)
        if case[0] not in slow
    ]
    every = [pytest.param(*case, EVERY, id=f"{_id(case)}-every", marks=pytest.mark.slow) for case in cases]
    return [*usual, *every]


def _id(case: tuple[Any, ...]) -> str:
    return "-".join([str(getattr(value, "value", value)) for value in case if isinstance(value, str | int)])


def _agreed(proof: Proof, off: str) -> tuple[str | None, int | None]:
    """What breaks and after how many actions, whatever is switched off."""
    at_server = proof.scope.store is not StoreKind.SQLITE  # where a proof costs more
    one = () if at_server else WITHOUT if off == EVERY else (evolve(ALL, **{off: False}),)
    answers = [prove(evolve(proof, reductions=switches)) for switches in (ALL, *one, NONE)]
    assert all(answer.complete for answer in answers)
    found = {
        (answer.finding.invariant if answer.finding else None, answer.shortest): answer for answer in answers
    }
    assert len(found) == 1, f"with all, without {off}, with none: {list(found)}"
    return next(iter(found))


@pytest.mark.parametrize(("mode", "off"), _cases(*[(mode.id,) for mode in catalogue()], slow=AT_SERVER))
def test_a_failure_mode_is_found_whatever_is_switched_off(mode: str, off: str) -> None:
    """In the bounds of its proof each reduction leaves the finding and the shortest length as they are."""
    it = failure_mode(mode)
    invariant, shortest = _agreed(
        Proof(scope=it.scope, bounds=it.bounds, fault=it.fault, target=it.target), off
    )
    assert invariant == it.breaks
    assert shortest is not None


@pytest.mark.parametrize(
    ("granularity", "workers", "bounds", "off"),
    _cases(
        (TRANSACTION, 2, Bounds(jobs=1, ticks=1, reconciles=1)),
        (TRANSACTION, 2, Bounds(jobs=1, crashes=1, failures=1)),
        (TRANSACTION, 3, Bounds(jobs=1)),
        (STATEMENT, 2, Bounds(jobs=0, ticks=1)),
        (STATEMENT, 1, Bounds(jobs=1)),
    ),
)
def test_nothing_is_found_whatever_is_switched_off(
    granularity: Granularity, workers: int, bounds: Bounds, off: str
) -> None:
    """The guarded system holds, and it is not a reduction that makes it so."""
    scope = Scope(workers=workers, granularity=granularity)
    assert _agreed(Proof(scope=scope, bounds=bounds, fault=guarded), off) == (None, None)


EXPIRY = Bounds(jobs=1, ticks=1)


@frozen(kw_only=True)
class _Sought:
    """Where a breakage is sought at granularity `statement`: enough for it to be found, and little else."""

    bounds: Bounds = EXPIRY
    lease_ms: int = 30_000
    workers: int = 1
    tick_seconds: float = 30


SOUGHT: dict[str, _Sought] = {
    "the lease comparison off by one, in the fence": _Sought(workers=2),
    "the lease comparison off by one, in the lease": _Sought(workers=2, tick_seconds=29.999),
    "rollback missing on a refused commit": _Sought(),
    "the audit row in another transaction": _Sought(workers=2),
    "the attempts count not incremented": _Sought(),
    "the reconcile that aborts a live lease": _Sought(bounds=Bounds(jobs=1, reconciles=1), lease_ms=10_000),
    "the heartbeat that revives an expired lease": _Sought(bounds=Bounds(jobs=1, ticks=1, heartbeats=1)),
    "a commit accepted from a worker whose lease went to another": _Sought(),
    "a worker that polls for ever and never asks the store": _Sought(workers=2),
    "an effect without what the handler wrote": _Sought(workers=2),
    "a fence that asks nobody": _Sought(),
    "a new job with a due time of its own": _Sought(),
}


@pytest.mark.parametrize(
    ("breakage", "granularity", "off"),
    _cases(*[(breakage, granularity) for granularity in Granularity for breakage in BREAKAGES]),
)
def test_a_breakage_is_found_whatever_is_switched_off(
    breakage: str, granularity: Granularity, off: str
) -> None:
    """Each reduction leaves the finding and the shortest length as they are."""
    sought = SOUGHT[breakage]
    workers = 2 if granularity is TRANSACTION else sought.workers
    settings = Settings(lease_ms=sought.lease_ms)
    scope = Scope(
        workers=workers, granularity=granularity, settings=settings, tick_seconds=(sought.tick_seconds,)
    )
    _, shortest = _agreed(Proof(scope=scope, bounds=sought.bounds, fault=BREAKAGES[breakage]), off)
    assert shortest is not None


def test_an_ending_does_not_depend_on_the_names_of_the_workers() -> None:
    """What the liveness run finds from a state it finds from its twins, so symmetry leaves it as it is."""
    breakage = BREAKAGES["the lease comparison off by one, in the lease"]
    scope = Scope(granularity=STATEMENT, settings=Settings(lease_ms=1))
    _agreed(Proof(scope=scope, bounds=Bounds(jobs=1), fault=breakage), "symmetry")


# The states that are reached.


def _reached(proof: Proof) -> tuple[dict[bytes, int], dict[bytes, ReachedState], Counts]:
    """The depth at which each state is first reached, the state itself, and the counts."""
    part = Shard(proof)
    part.add_first()
    depths: dict[bytes, int] = {}
    states: dict[bytes, ReachedState] = {}
    depth = 0
    while True:
        part.advance()
        for state in part.frontier:  # some were gone on from before
            depths.setdefault(state.digest, depth)
            states.setdefault(state.digest, state)
        if not part.frontier:
            break
        while part.frontier:
            part.expand(1_000)
        depth += 1
    assert depths.keys() == part.seen.keys()
    assert not part.broken
    counts = part.counts
    part.close()
    return depths, states, counts


BUSY = (
    (Scope(), Bounds(jobs=1, ticks=1, crashes=1, heartbeats=1, reconciles=1)),
    (Scope(tick_seconds=(30, 15)), Bounds(jobs=1, ticks=1, heartbeats=1)),
    (Scope(), Bounds(jobs=2, crashes=1)),
    (Scope(workers=3), Bounds(jobs=1, retries=1, ticks=1, reconciles=1)),
    (Scope(granularity=STATEMENT), Bounds(jobs=1)),
    (Scope(granularity=STATEMENT), Bounds(jobs=0, ticks=1, reconciles=1)),
    (Scope(workers=1, granularity=STATEMENT), Bounds(jobs=1, ticks=1, crashes=1)),
    (Scope(workers=1, granularity=STATEMENT), Bounds(jobs=1, failures=1, heartbeats=1)),
)


@pytest.mark.parametrize(("scope", "bounds"), BUSY)
def test_sleep_sets_leave_out_transitions_and_no_state(scope: Scope, bounds: Bounds) -> None:
    """The same states are first reached at the same depths, by fewer transitions."""
    proof = Proof(scope=scope, bounds=bounds, fault=guarded, reductions=ALL)
    depths, _, counts = _reached(proof)
    every_depth, _, every = _reached(evolve(proof, reductions=Reductions(sleep=False)))
    assert depths == every_depth
    assert counts.transitions < every.transitions


@pytest.mark.parametrize(
    ("scope", "bounds"),
    [case for case in BUSY if case[0].workers > 1],
)
def test_each_state_with_the_workers_told_apart_has_its_twins(scope: Scope, bounds: Bounds) -> None:
    """Told apart, there are the same states under other names, at the same depths, and more of them.

    At granularity `transaction` a state is there once for each way to choose the workers that its executions
    name: the others have nothing in hand, and have left no trace.
    """
    proof = Proof(scope=scope, bounds=bounds, fault=guarded)
    depths, _, _ = _reached(proof)
    walker = Successors(scope, guarded, None)
    layout = walker.lockstep.world.subject.layout
    fingerprints = Fingerprints(scope, walker.columns, layout, symmetry=True)
    walker.close()
    apart, states, _ = _reached(evolve(proof, reductions=APART))
    twins: Counter[bytes] = Counter()
    chosen: dict[bytes, int] = {}
    for digest, state in states.items():
        one = fingerprints.with_spent(fingerprints.of(state.snapshot)[0], state.spent)
        assert depths[one] == apart[digest]
        twins[one] += 1
        chosen[one] = len({execution.worker for execution in state.snapshot.system.durable.executions})
    assert twins.keys() == depths.keys()
    assert len(depths) < len(apart)
    assert max(twins.values()) <= perm(scope.workers)
    if scope.granularity is TRANSACTION:
        assert twins == {one: perm(scope.workers, number) for one, number in chosen.items()}
