"""The unique indexes of the schema stop each fault whose scope runs without them."""

import re

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.matrix import GROUPS
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, failure_mode
from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope, StoreKind
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.judge import Judge
from failure_modes.checker.oracle.ledger import Ledger
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.search.plans import proof_of
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace
from model.state import Settings

LOOSE = [one for mode in catalogue() for one in mode.each if not one.scope.constraints]
PROVED = [mode for mode in LOOSE if mode.scope.store is StoreKind.SQLITE]
"""On a server a proof takes minutes, so only the traces are tested there."""

TRACES = [(path.stem, trace) for path, trace in all_kept() if not trace.scope.constraints]
EACH = pytest.mark.parametrize(("name", "trace"), TRACES, ids=[name for name, _ in TRACES])
REFUSED = re.compile(
    r"UNIQUE constraint failed: (effects|executions)\.job_id"
    r'|violates unique constraint "(effects|executions)_one_a_job"'
    r"|refused by a rule of the schema"
)


class NotingJudge(Judge):
    """Collects each difference between the system and the model."""

    def __init__(self, target: Target | None, settings: Settings, ledger: Ledger) -> None:
        super().__init__(target, settings, ledger)
        self.differences: list[str] = []

    def diverge(self, expected: str, got: str) -> None:
        """Collect the difference, and judge as usual."""
        self.differences.append(got)
        super().diverge(expected, got)


def _with_constraints(trace: Trace) -> Trace:
    return evolve(trace, scope=evolve(trace.scope, constraints=True))


@EACH
def test_with_the_constraints_the_fault_is_refused(name: str, trace: Trace) -> None:
    """With the constraints the same actions break nothing: a statement fails, and the trace shows it."""
    del name
    assert trace.failure_mode is not None
    assert trace.breaks.invariant is not None
    mode = failure_mode(trace.failure_mode).breaking(trace.breaks.invariant)
    lockstep = Lockstep(_with_constraints(trace).scope, mode.fault, target=mode.target)
    lockstep.judge = judge = NotingJudge(mode.target, lockstep.settings, lockstep.ledger)
    with lockstep:
        try:
            for action in trace.actions:
                if lockstep.possible(action):
                    lockstep.apply(action)
        except Found as found:
            pytest.fail(f"it broke all the same: {found}")
        ran = [record.statement or "" for record in lockstep.ledger.records]
        assert [text for text in (*ran, *judge.differences) if REFUSED.search(text)]


@EACH
def test_the_guarded_system_holds_with_and_without_them(name: str, trace: Trace) -> None:
    """The guarded system holds with and without the constraints."""
    del name
    for one in (trace, _with_constraints(trace)):
        replayed = replay(one, guarded=True)
        assert replayed.as_expected, rendered(replayed)


@pytest.mark.parametrize("mode", PROVED, ids=[f"{mode.id}-{mode.breaks}" for mode in PROVED])
def test_a_scope_without_them_has_a_reason(mode: FailureMode) -> None:
    """With the constraints no state breaks the invariant, and the guarded system has as many states."""
    tight = evolve(mode, scope=evolve(mode.scope, constraints=True))
    broken, guarded = prove(proof_of(tight, broken=True)), prove(proof_of(tight, broken=False))
    assert (broken.complete, broken.finding) == (True, None)
    assert (guarded.complete, guarded.finding, guarded.counts.states) == (True, None, mode.expected.states)


def test_scopes_have_the_constraints_unless_policies_are_judged() -> None:
    """Scopes have the constraints; only the matrix has none, since they could hide a missing policy."""
    assert not any(group.scope.constraints for group in GROUPS)
    assert Scope().constraints
    assert LOOSE


def test_a_trace_is_kept_in_the_scope_of_its_search() -> None:
    """Each kept trace has the constraints, or not, as its failure mode says."""
    for path, trace in all_kept():
        assert trace.failure_mode is not None
        assert trace.breaks.invariant is not None
        mode = failure_mode(trace.failure_mode).breaking(trace.breaks.invariant)
        assert trace.scope.constraints is mode.scope.constraints, path.name
