"""A proof that is stopped says so, and names the bound that stopped it."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove

ALL = Bounds(jobs=1, ticks=1, crashes=1, failures=1, heartbeats=1, reconciles=1)
PROOF = Proof(scope=Scope(workers=2), bounds=ALL, fault=guarded, reductions=Reductions(sleep=True))


@pytest.mark.parametrize(
    ("depth_max", "limits", "bound"),
    [
        (3, Limits(), "depth"),
        (None, Limits(states_max=100), "states"),
        (None, Limits(seconds_max=0), "seconds"),
        (1_000, Limits(states_max=100_000, seconds_max=600), None),
    ],
)
def test_an_answer_that_is_not_complete_names_its_bound(
    depth_max: int | None, limits: Limits, bound: str | None
) -> None:
    """A proof is complete, or it names the bound that stopped it; one that is not reached does nothing."""
    proof = evolve(PROOF, depth_max=depth_max)
    answer = prove(proof, limits=limits)
    assert (answer.complete, answer.bound) == (bound is None, bound)
    assert (answer.as_json()["complete"], answer.as_json()["bound"]) == (bound is None, bound)
    assert (answer.finding, answer.shortest) == (None, None)
    if bound is None:
        assert answer.counts.states == 452
    else:
        assert answer.counts.states < 452
    if bound == "depth":
        assert answer.depth == depth_max
