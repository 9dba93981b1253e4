"""The matrix of policies and invariants: complete, and right about what is new."""

from pathlib import Path

import pytest
from attrs import fields

from failure_modes.checker.campaigns.matrix import GROUPS, PolicyGroup, Row, SharedProofs, is_new
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, build_queue, guarded
from failure_modes.checker.experiment.target import Target, tolerating_others
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.subject.absent_policies import ABSENT
from failure_modes.checker.testing import prove_broken, prove_guarded
from model.invariants import INVARIANTS
from model.state import Settings
from system.clock import ManualClock
from system.policies import Policies
from system.sqlite import SQLiteStore
from tests.checker.commands import invoke, quickest


def test_every_policy_can_be_switched_off(tmp_path: Path) -> None:
    """None is missing, and switching one off changes that one and no other."""
    store = SQLiteStore(tmp_path / "queue.db", clock=ManualClock(), create=True)
    queue = build_queue(store, GROUPS[-1].scope.settings, guarded)
    assert list(ABSENT) == [field.name for field in fields(Policies)]
    for name, fault in ABSENT.items():
        without = fault(queue)
        changed = [
            field.name
            for field in fields(Policies)
            if getattr(without.policies, field.name) != getattr(queue.policies, field.name)
            or type(getattr(without.policies, field.name)) is not type(getattr(queue.policies, field.name))
        ]
        assert changed == [name]
    queue.store.close()


def test_no_policy_takes_the_limits_with_it() -> None:
    """Under limits the retry budget and the circuit breaker are missed where they are off, and only there."""
    settings = Settings(retries_max=1, failures_max=1, backoff_ms=1000)
    scope = Scope(workers=1, settings=settings, constraints=False, tick_seconds=(31,))
    bounds = Bounds(jobs=1, failures=3, ticks=2)
    proofs = {
        name: Proof(scope=scope, bounds=bounds, fault=fault, target=Target("INV_006"))
        for name, fault in ABSENT.items()
    }
    answers = {name: prove(proof) for name, proof in proofs.items()}
    assert all(answer.complete for answer in answers.values())
    assert [name for name, answer in answers.items() if answer.finding] == ["budget", "breaker"]


def test_a_proof_answers_for_other_targets_as_their_own_would() -> None:
    """The answers for all targets are those of a proof for each, and take fewer proofs."""
    group = PolicyGroup(
        policies=("commit",),
        scope=Scope(workers=2, settings=Settings(attempts_max=1), constraints=False),
        bounds=Bounds(jobs=1, ticks=1, crashes=1),
    )
    fault = ABSENT["commit"]
    shared = SharedProofs(group, fault)
    targets = [make(invariant.id) for make in (Target, tolerating_others) for invariant in INVARIANTS]
    answers = [shared.of(target) for target in targets]
    for target, answer in zip(targets, answers, strict=True):
        own = prove(Proof(scope=group.scope, bounds=group.bounds, fault=fault, target=target))
        assert (answer.finding, answer.complete) == (own.finding, own.complete), target
    found = [answer for answer in answers if answer.finding]
    assert found
    assert len({id(answer) for answer in answers}) < len(targets) // 2 + len(found)


def test_every_policy_is_judged_in_one_scope() -> None:
    """The parts of the matrix leave out none, and have none twice."""
    judged = [name for group in GROUPS for name in group.policies]
    assert sorted(judged) == sorted(ABSENT)


def test_a_set_is_new_where_no_smaller_set_in_it_breaks() -> None:
    """Only what none of its parts shows is marked: not what one of them does, and no single policy."""
    mode_id = quickest().id
    breaks, holds = prove_broken(mode_id), prove_guarded(mode_id)
    never, always = (holds,) * len(INVARIANTS), (breaks,) * len(INVARIANTS)
    one, other = _row(("a",), never), _row(("b",), (breaks, *never[1:]))
    both = _row(("a", "b"), always)
    rows = [one, other, both, _row((), never)]
    assert [is_new(both, at, rows) for at in range(3)] == [False, True, True]
    assert not any(is_new(row, at, rows) for row in (one, other, rows[-1]) for at in range(len(INVARIANTS)))


def _row(off: tuple[str, ...], answers: tuple[ProofResult, ...]) -> Row:
    return Row(off=off, results=answers, tolerant_results=(None,) * len(INVARIANTS))


def test_what_breaks_only_later_is_hunted_past_the_others() -> None:
    """All others may break before; but INV_005 cannot be judged past INV_003."""
    never = {"INV_004": {"INV_004"}, "INV_005": {"INV_005", "INV_003"}, "INV_006": {"INV_006"}}
    known = [rule.id for rule in INVARIANTS]
    for target, left_out in never.items():
        assert tolerating_others(target).tolerates == tuple([one for one in known if one not in left_out])


@pytest.mark.parametrize("option", [("--together", "0"), ("--together", "7"), ("--processes", "0")])
def test_what_cannot_be_computed_is_refused(option: tuple[str, str]) -> None:
    """A set has from one to all of the policies."""
    assert invoke("matrix", *option).exit_code == 2
