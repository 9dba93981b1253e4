"""The checker, checked again: of a queue that is broken on purpose the explorer knows a shortest trace.

The breakages are those of `test_breakages.py`, and nothing here knows how one is found. All are sought within
the same bounds, in which nothing is wrong with the guarded system.
"""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.search import Search, run
from tests.checker.oracle.test_breakages import BREAKAGES
from tests.checker.oracle.test_lockstep import EXAMPLES

SCOPE = Scope().with_each_tick()
BOUNDS = Bounds(
    jobs=1,
    ticks=1,
    crashes=1,
    failures=1,
    heartbeats=1,
    reconciles=1,
)
SHORTEST: dict[str, tuple[str | None, int]] = {
    "the lease comparison off by one, in the fence": ("INV_003", 3),
    "the lease comparison off by one, in the lease": ("INV_003", 4),
    "a new job with a due time of its own": (None, 1),
    "rollback missing on a refused commit": ("INV_002", 4),
    "the audit row in another transaction": (None, 1),
    "the attempts count not incremented": (None, 3),
    "the reconcile that aborts a live lease": ("INV_003", 4),
    "the heartbeat that revives an expired lease": ("INV_003", 5),
    "a commit accepted from a worker whose lease went to another": ("INV_003", 4),
    "a worker that polls for ever and never asks the store": ("INV_004", 1),
    "an effect without what the handler wrote": (None, 1),
    "a fence that asks nobody": ("INV_003", 3),
}
"""What breaks first (None where the system parts from the model), and after how many actions."""


def _proved(fault: Fault) -> ProofResult:
    return prove(Proof(scope=SCOPE, bounds=BOUNDS, fault=fault))


def test_nothing_is_wrong_with_the_guarded_system_in_these_bounds() -> None:
    """What is found below is the breakages' doing: the guarded system has no violation at all here."""
    answer = _proved(guarded)
    assert (answer.complete, answer.bound, answer.finding) == (True, None, None)


def test_every_breakage_is_looked_for() -> None:
    """The table below names each breakage, and nothing else."""
    assert set(SHORTEST) == set(BREAKAGES)


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_explorer_finds_a_shortest_trace(breakage: str) -> None:
    """Each breakage is found, and what breaks first and after how many actions is known."""
    answer = _proved(BREAKAGES[breakage])
    assert answer.complete
    assert answer.finding is not None
    assert (answer.finding.invariant, answer.shortest) == SHORTEST[breakage]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_no_search_shrinks_to_less(breakage: str) -> None:
    """What the unrestricted search finds is shrunk to no fewer actions than the explorer says it takes.

    It has one job, as the proof has, and half as many steps as usual: else it shrinks for twice as long.
    """
    assert SCOPE.granularity is Granularity.TRANSACTION
    search = Search(
        scope=SCOPE,
        strategy=evolve(UNRESTRICTED, jobs=1, steps=20),
        fault=BREAKAGES[breakage],
        target=None,
        seed=7,
        examples=EXAMPLES[Granularity.TRANSACTION],
    )
    result = run(search)
    assert result.finding is not None
    assert len(result.actions) >= SHORTEST[breakage][1], f"a shorter trace: {result.actions}"
