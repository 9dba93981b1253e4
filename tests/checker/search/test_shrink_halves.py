"""The halves of the shrinker: a shorter trace counts if it breaks the same invariant, and not otherwise."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.proof import Counts
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search import minimise as minimising
from failure_modes.checker.search.minimise import Shortest, shrink
from failure_modes.checker.search.runs import Runs
from model.actions import Action, Enqueue, Step, Tick

K1, A, SECOND = Enqueue(key="k1"), Step(worker="A"), Tick(seconds=1)


def _found(invariant: str, actions: tuple[Action, ...]) -> Found:
    return Found(Finding(invariant=invariant, step=len(actions), expected="", got=""), actions)


def _run(runs: Runs, actions: tuple[Action, ...]) -> Found | None:
    """A system in which a tick breaks INV_001 after an enqueue, and anything else breaks INV_003."""
    del runs
    if not actions:
        return None
    return _found("INV_001" if SECOND in actions and K1 in actions else "INV_003", actions)


def _proved(invariant: str | None, actions: tuple[Action, ...]) -> ProofResult:
    finding = _found(invariant, actions).finding if invariant else None
    counts = Counts()
    return ProofResult(
        complete=True,
        bound=None,
        counts=counts,
        depth=1,
        seconds=0,
        peak_memory_mb=0,
        finding=finding,
        actions=actions,
    )


def _shrunk(answer: ProofResult, monkeypatch: pytest.MonkeyPatch) -> Shortest:
    monkeypatch.setattr(Runs, "take", _run)
    monkeypatch.setattr(minimising, "prove", lambda *_, **__: answer)
    return shrink(Scope(), guarded, None, _found("INV_001", (K1, A, SECOND)))


def test_a_shorter_trace_of_another_invariant_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each single action breaks INV_003, and the trace still has both that INV_001 needs."""
    unknown = evolve(_proved(None, ()), complete=False, bound="states")
    shortest = _shrunk(unknown, monkeypatch)
    assert (shortest.actions, shortest.is_minimal) == ((K1, SECOND), False)


def test_a_proof_of_another_invariant_certifies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer finds INV_003 in one action: the trace of INV_001 stays, and is not called minimal."""
    shortest = _shrunk(_proved("INV_003", (K1,)), monkeypatch)
    assert (shortest.actions, shortest.is_minimal) == ((K1, SECOND), False)
