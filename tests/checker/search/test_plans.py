"""What is asked of a search and of a proof of a failure mode. Nothing is searched here."""

from types import SimpleNamespace
from typing import Any

import pytest

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.proof import proving
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.search import plans, to_completion
from failure_modes.checker.search.search import Search

MODE = failure_mode("FM_014")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked, in place of searches and proofs."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(plans, "run", lambda search, *, driver: found.append((search, driver)))
    monkeypatch.setattr(plans, "explore_all", lambda proof: found.append((proof,)))
    return found


def _search(seed: int, *, broken: bool, examples: int) -> Search:
    return Search(
        scope=MODE.scope,
        strategy=MODE.strategy,
        fault=MODE.fault if broken else MODE.control,
        target=MODE.target if broken else None,
        seed=seed,
        examples=examples,
        bounds=MODE.bounds if broken else None,
        symmetric=MODE.symmetric,
    )


def test_the_search_of_the_broken_system_has_its_target_and_its_bounds(asked: list[Any]) -> None:
    """The first seed is 0."""
    plans.find(MODE)
    plans.find(MODE, 3, driver="walk")
    most = plans.EXAMPLES_MAX
    assert asked == [
        (_search(0, broken=True, examples=most), None),
        (_search(3, broken=True, examples=most), "walk"),
    ]


def test_the_search_of_the_control_has_no_target(asked: list[Any]) -> None:
    """It has as many examples as the failure mode says, or as are asked for."""
    plans.prevent(MODE)
    plans.prevent(MODE, 3, examples=7, driver="walk")
    assert asked == [
        (_search(0, broken=False, examples=MODE.expected.examples), None),
        (_search(3, broken=False, examples=7), "walk"),
    ]


@pytest.mark.parametrize("broken", [False, True])
def test_the_proof_is_of_the_same_system(asked: list[Any], broken: bool) -> None:
    """All workers of a control are alike."""
    plans.prove(MODE, broken=broken)
    assert asked == [
        (
            Proof(
                scope=MODE.scope,
                bounds=MODE.bounds,
                fault=MODE.fault if broken else MODE.control,
                target=MODE.target if broken else None,
                reductions=Reductions(symmetry=MODE.symmetric or not broken),
            ),
        )
    ]


def test_a_search_or_proof_that_was_interrupted_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ran to its end has the result of it; a proof has one process, if no other number is said."""
    statistics = SimpleNamespace(interrupted=False)
    answer: Any = SimpleNamespace(bound=None)
    result: Any = SimpleNamespace(statistics=statistics)
    asked: list[tuple[Any, ...]] = []

    def run(wanted: object, *, driver: str | None) -> Any:
        asked.append((wanted, driver))
        return result

    def prove(wanted: object, *, processes: int) -> Any:
        asked.append((wanted, processes))
        return answer

    monkeypatch.setattr(to_completion, "run", run)
    monkeypatch.setattr(proving, "prove", prove)
    search, proof = plans.search_of(MODE, 0, broken=True), plans.proof_of(MODE, broken=True)
    assert to_completion.search(search, driver="walk") is result
    assert to_completion.prove(proof) is answer
    assert to_completion.prove(proof, processes=2) is answer
    assert asked == [(search, "walk"), (proof, 1), (proof, 2)]
    monkeypatch.setattr(statistics, "interrupted", True)
    monkeypatch.setattr(answer, "bound", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        to_completion.search(search)
    with pytest.raises(KeyboardInterrupt):
        to_completion.prove(proof)
