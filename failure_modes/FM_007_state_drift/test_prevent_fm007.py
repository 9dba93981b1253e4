"""The fix: where the commit closes the job the same search finds nothing, and the danger was there."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.plans import proof_of
from failure_modes.checker.testing import prevent, prove_guarded
from system.policies import CommitBoundary
from system.queue import Queue


@pytest.mark.parametrize("breaks", ["INV_003", "INV_004"])
def test_it_holds_under_the_same_strategy(breaks: str) -> None:
    """No invariant breaks, and everything that the scenario says must be reached was reached."""
    prevent("FM_007", seed=1, examples=200, breaks=breaks)


@pytest.mark.parametrize("breaks", ["INV_003", "INV_004"])
def test_it_holds_in_every_reachable_state(breaks: str) -> None:
    """In each scope of the failure mode, in every order: complete, and nothing breaks."""
    prove_guarded("FM_007", breaks=breaks)


@pytest.mark.parametrize("breaks", ["INV_003", "INV_004"])
def test_the_right_boundary_alone_puts_it_right(breaks: str) -> None:
    """With it, closing the job once more afterwards does no harm: neither invariant breaks in any state."""
    mode = failure_mode("FM_007").breaking(breaks)

    def right_boundary(queue: Queue) -> Queue:
        broken = mode.swap(queue)
        return evolve(broken, policies=evolve(broken.policies, commit=CommitBoundary()))

    answer = prove(evolve(proof_of(mode, broken=True), swap=right_boundary))
    assert (answer.complete, answer.finding) == (True, None)
