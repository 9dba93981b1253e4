"""The clock of one process is wrong, and is set back: on PostgreSQL it must not matter.

No other action finds the breakage here: while all processes have one clock, it tells the time of the server.
On SQLite all processes run on one machine, and share its clock.
"""

from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_SKEW
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.subject.worlds import world_of
from model.actions import ClockSkew, Enqueue, Step
from model.state import Settings
from system.queue import Queue
from tests.checker.searching import first_finding

A, B = Step(worker="A"), Step(worker="B")
K1 = Enqueue(key="k1")
AHEAD, BEHIND = ClockSkew(worker="B", seconds=30), ClockSkew(worker="A", seconds=-30)
SCOPE = Scope(store=StoreKind.POSTGRESQL)
SKEWED = UNRESTRICTED.weighted("ClockSkew", 1)


def own_clock(queue: Queue) -> Queue:
    """A store that goes by the clock of its process."""
    store: Any = queue.store
    store._clock = getattr(store._connect, "__self__", None)  # noqa: SLF001 (the fault: its process)
    return queue


def _found(fault: Fault, *, skewed: bool) -> Finding | None:
    world_of(SCOPE, guarded).close()
    return first_finding(SCOPE, SKEWED if skewed else UNRESTRICTED, fault, seed=5, examples=20)


def test_a_process_ahead_leases_no_job_of_another() -> None:
    """Its own clock says that the lease has run out. The server says that it has not."""
    with Lockstep(SCOPE, world=world_of(SCOPE, guarded)) as lockstep:
        for action in (K1, A, A, AHEAD, BEHIND):
            lockstep.apply(action)
        assert lockstep.world.clock.skews == (("A", -30_000), ("B", 30_000))
        assert lockstep.apply(B).events == ()
        lockstep.apply(evolve(BEHIND, seconds=0))
        assert lockstep.ledger.sometimes[OF_SKEW] == 2
        lockstep.finish()
        assert [one.worker for one in lockstep.durable.executions] == ["A"]


@pytest.mark.slow
@pytest.mark.parametrize("granularity", Granularity)
def test_the_guarded_system_survives_clocks_that_differ(granularity: Granularity) -> None:
    """A search in which clocks of single processes jump finds nothing in the guarded system."""
    scope = evolve(SCOPE, granularity=granularity, settings=Settings(retries_max=1, failures_max=2))
    world_of(scope, guarded).close()
    search = Search(scope=scope, strategy=SKEWED, fault=guarded, target=None, seed=5, examples=8)
    result = run(search, shrinking=False)
    assert result.finding is None
    assert result.statistics.sometimes[OF_SKEW]


def test_a_store_with_the_clock_of_its_process_is_seen_only_where_clocks_differ() -> None:
    """The search in which they do not misses the breakage in as many examples."""
    assert _found(own_clock, skewed=False) is None
    assert _found(own_clock, skewed=True) is not None


def test_a_proof_with_clocks_that_differ_is_complete() -> None:
    """Each reachable state of this scope holds; a store that goes by these clocks is found at once."""
    world_of(SCOPE, guarded).close()
    bounds = Bounds(jobs=1, ticks=1, clock_skews=1)
    proof = Proof(scope=SCOPE, bounds=bounds, fault=guarded)
    result = prove(proof)
    assert (result.complete, result.finding, result.counts.states) == (True, None, 185)
    broken = prove(evolve(proof, fault=own_clock))
    assert broken.finding is not None
    assert broken.actions == (ClockSkew(worker="A", seconds=30),)
    without = prove(evolve(proof, bounds=evolve(bounds, clock_skews=0), fault=own_clock))
    assert (without.complete, without.finding) == (True, None)


def test_on_sqlite_all_processes_share_one_clock() -> None:
    """There is no such action, and no proof counts it."""
    with Lockstep(Scope()) as lockstep:
        assert not lockstep.possible(AHEAD)
    with pytest.raises(ValueError, match="share one"):
        Alphabet(Scope(), Bounds(clock_skews=1))
    with pytest.raises(ValueError, match="share one clock"):
        SKEWED.alphabet(Scope())
