"""A handler does not return, and its worker is stopped by two signals: the model and the queue do the same.

No other action ends an attempt without a failure of the handler, so none finds the breakage here.
"""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_RELEASE
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from model.actions import Enqueue, Heartbeat, Release, Step, Tick
from model.events import EventKind, Reason
from model.state import Settings, initial
from model.step import step
from system.queue import Queue
from system.store import Execution
from tests.checker.oracle.test_breakages import queues
from tests.checker.searching import first_finding

A, B = Step(worker="A"), Step(worker="B")
K1 = Enqueue(key="k1")
RELEASE = Release(worker="A")
BREAKER = Scope(settings=Settings(failures_max=1))


class CountsReleases(Queue):
    """The circuit breaker counts a release as a failure of the handler."""

    def fail(self, held: Execution, *, detail: str, by_handler: bool = True) -> bool:
        """Say that the handler has failed, whoever ended it."""
        del by_handler
        return super().fail(held, detail=detail)


def _found(fault: Fault, *, releases: bool, scope: Scope = BREAKER, examples: int = 60) -> Finding | None:
    return first_finding(
        scope,
        UNRESTRICTED.weighted("Release", 2) if releases else UNRESTRICTED,
        fault,
        seed=5,
        examples=examples,
    )


def test_a_release_puts_the_job_back_and_the_worker_ends() -> None:
    """The job waits out its backoff, the breaker stays closed, and a fresh worker takes the name."""
    with Lockstep(BREAKER) as lockstep:
        for action in (K1, A, A):
            lockstep.apply(action)
        (event,) = lockstep.apply(RELEASE).events
        assert (event.event, event.detail) == (EventKind.FAILED, "Released: the worker was interrupted")
        assert lockstep.durable.breaker.failures == 0
        assert lockstep.rests("A")
        lockstep.apply(Tick(seconds=1))
        assert [one.event for one in lockstep.apply(B).events] == ["leased"]
        lockstep.finish()
        assert lockstep.ledger.sometimes[OF_RELEASE] == 1


def test_a_handler_that_outlives_its_lease_has_nothing_left_to_release() -> None:
    """Another worker has the job, though the first handler runs on: the release is refused."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A, A, Heartbeat(worker="A"), Tick(seconds=30), B, B):
            lockstep.apply(action)
        assert [one.worker for one in lockstep.durable.executions] == ["A", "B"]
        (event,) = lockstep.apply(RELEASE).events
        assert (event.event, event.reason, event.execution) == (EventKind.REFUSED, Reason.LEASE_LOST, 1)
        lockstep.finish()
        assert [effect.execution for effect in lockstep.durable.effects] == [2]


def test_only_a_handler_is_released() -> None:
    """Elsewhere the worker finishes what it does, and no job is given back."""
    with Lockstep(Scope()) as lockstep:
        for action in (K1, A):
            assert not lockstep.possible(RELEASE)
            lockstep.apply(action)
        assert step(initial(settings=Settings(), workers=("A",)), RELEASE)[1].rejected is not None


@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("settings", [Settings(fused=True), Settings(failures_max=2, external=True)])
def test_the_guarded_system_survives_releases(granularity: Granularity, settings: Settings) -> None:
    """A search that releases jobs finds nothing in the guarded system."""
    scope = Scope(granularity=granularity, settings=settings)
    assert _found(guarded, releases=True, scope=scope, examples=30) is None


def test_a_release_that_counts_as_a_failure_is_seen_only_with_releases() -> None:
    """The search without releases misses the breakage in as many examples."""
    fault = queues(CountsReleases)
    assert _found(fault, releases=False) is None
    assert _found(fault, releases=True) is not None


def test_a_proof_with_releases_is_complete() -> None:
    """Each reachable state of this scope holds; without the bound the breakage is in none."""
    bounds = Bounds(jobs=1, ticks=1, failures=1, releases=1)
    result = prove(Proof(scope=BREAKER, bounds=bounds, fault=guarded))
    assert (result.complete, result.finding, result.counts.states) == (True, None, 91)
    fault = queues(CountsReleases)
    without = prove(Proof(scope=BREAKER, bounds=evolve(bounds, releases=0), fault=fault))
    assert (without.complete, without.finding) == (True, None)
    assert prove(Proof(scope=BREAKER, bounds=bounds, fault=fault)).actions == (K1, A, A, RELEASE)
