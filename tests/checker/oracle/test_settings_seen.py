"""Settings, batches and reconcilers, broken on purpose: each mistake is seen where the scope varies them.

With the usual settings none of them is: there the broken queue is the usual queue, or a proof of it holds.
"""

from typing import cast

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.stretches import run_in_stretches
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, build_queue, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.search import Search
from model.state import Settings
from system.store import Store
from tests.checker.oracle.settings_broken import CONSTANTS, OTHERS, alone_with_workers

EXAMPLES = 1_500
FEW = Bounds(jobs=2, ticks=1, retries=1, reconciles=1)
RECONCILED = Bounds(jobs=1, ticks=1, crashes=1, reconciles=2)

BATCH_OF_ONE = Scope(reconcilers=2, settings=Settings(reconcile_batch=1))
TWO_LEFT = Bounds(jobs=2, ticks=1, crashes=1, reconciles=2)
BY_STATEMENTS = evolve(BATCH_OF_ONE, workers=1, granularity=Granularity.STATEMENT)
ONE_LEFT = Bounds(jobs=1, ticks=1, reconciles=2)


@pytest.mark.parametrize(
    ("scope", "bounds", "states"),
    [(BATCH_OF_ONE, TWO_LEFT, 5_759), (BY_STATEMENTS, ONE_LEFT, 24_176)],
)
def test_the_guarded_system_holds_with_two_reconcilers_and_a_batch_of_one(
    scope: Scope, bounds: Bounds, states: int
) -> None:
    """Every state in these bounds is as it should be, and there are as many as there were."""
    answer = _proved(scope, bounds, guarded)
    assert (answer.complete, answer.finding, answer.counts.states) == (True, None, states)


@pytest.mark.parametrize("breakage", CONSTANTS | OTHERS)
def test_a_search_with_random_settings_catches(breakage: str) -> None:
    """A queue with this mistake does not pass for the guarded one, and the trace has its settings."""
    fault = (CONSTANTS | OTHERS)[breakage]
    search = Search(
        scope=Scope().with_each_tick(),
        strategy=UNRESTRICTED,
        fault=fault,
        target=None,
        seed=7,
        examples=EXAMPLES,
    )
    result, scope = run_in_stretches(search, lambda given: given, lambda _: None, shrinking=False)
    assert result.finding is not None
    assert scope.settings != Settings()


@pytest.mark.parametrize("breakage", CONSTANTS)
def test_with_the_usual_settings_a_constant_is_no_mistake(breakage: str) -> None:
    """The broken queue equals the usual one, so that nothing could see it."""
    usual = build_queue(cast(Store, None), Settings(), guarded)
    assert CONSTANTS[breakage](usual) == usual


@pytest.mark.parametrize("breakage", OTHERS)
def test_with_the_usual_settings_nothing_is_found(breakage: str) -> None:
    """Every state in these bounds is as it should be: only other settings show the mistake."""
    answer = _proved(Scope(), FEW, OTHERS[breakage])
    assert (answer.complete, answer.finding) == (True, None)


@pytest.mark.parametrize(("reconcilers", "broken"), [(1, None), (2, "INV_003")])
def test_only_a_second_reconciler_shows_what_two_of_them_end(reconcilers: int, broken: str | None) -> None:
    """Two that end one execution are found; with one reconciler every reachable state is right."""
    answer = _proved(Scope(reconcilers=reconcilers), RECONCILED, alone_with_workers, Target("INV_003"))
    assert answer.complete
    assert (answer.finding.invariant if answer.finding else None) == broken


def _proved(scope: Scope, bounds: Bounds, fault: Fault, target: Target | None = None) -> ProofResult:
    return prove(Proof(scope=scope, bounds=bounds, fault=fault, target=target))
