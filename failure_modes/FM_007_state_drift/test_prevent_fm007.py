"""The fix: where the commit closes the job the same search finds nothing, and the danger was there."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.search.plans import proof_of
from failure_modes.checker.testing import Fix
from system.policies import CommitBoundary
from system.queue import Queue


class TestTheFix(Fix):
    """The commit boundary closes the job in the transaction that writes the effect."""

    mode = "FM_007"
    examples = 200


class TestNoStuckJob(Fix):
    """The same policy leaves no job stuck, in the scope of that search."""

    mode = "FM_007"
    breaks = "INV_004"
    examples = 200


@pytest.mark.parametrize("breaks", ["INV_003", "INV_004"])
def test_the_right_boundary_alone_puts_it_right(breaks: str) -> None:
    """With it, closing the job once more afterwards does no harm: neither invariant breaks in any state."""
    mode = failure_mode("FM_007").breaking(breaks)

    def right_boundary(queue: Queue) -> Queue:
        broken = mode.fault(queue)
        return evolve(broken, policies=evolve(broken.policies, commit=CommitBoundary()))

    answer = prove(evolve(proof_of(mode, broken=True), fault=right_boundary))
    assert (answer.complete, answer.finding) == (True, None)
