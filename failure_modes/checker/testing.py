"""What the tests of a failure mode call: the break found and shortest, the fix held, the danger met.

`breaks` says of what is meant, where a failure mode breaks more than one invariant; without it the first is.
"""

from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.proof.proving import prove as explore_all
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.summary import unreached
from failure_modes.checker.search.machine import Result, run
from failure_modes.checker.search.plans import EXAMPLES_MAX, proof_of, search_of

SEEDS = range(3)
"""Of the searches that the tests make; `nox -s seeds` makes ten."""

SEEDS_EACH_TIME = 2
"""So many of them are searched whenever the tests run, and the others by `nox -s slow`."""


def find(mode_id: str, *, seed: int, breaks: str | None = None) -> Result:
    """Search the broken system. Raises AssertionError if it does not end at a trace as short as any."""
    mode = _mode(mode_id, breaks)
    assert mode.shortest, f"{mode.id}: its scenario does not say how long the shortest trace is; `prove` does"
    assert mode.has_fault, f"{mode.id}: the swap in its scenario.py gives the queue back as it is"
    result = run(search_of(mode, seed, broken=True))
    assert result.finding is not None, f"{mode.id} was not found in {EXAMPLES_MAX} examples, seed {seed}"
    assert result.finding.invariant == mode.breaks
    assert len(result.actions) == mode.shortest, f"seed {seed} ends at {result.actions}"
    return result


def prevent(mode_id: str, *, seed: int, examples: int, breaks: str | None = None) -> Result:
    """The same search with the fault put right. Raises AssertionError if it breaks, or proves nothing."""
    mode = _mode(mode_id, breaks)
    unknown = unknown_of(mode.must_reach)
    assert unknown is None, f"{mode.id}: {unknown}"
    result = run(search_of(mode, seed, broken=False, examples=examples))
    assert result.finding is None, f"the guarded system broke: {result.finding}, by {result.actions}"
    missing = unreached(mode.must_reach, result)
    assert not missing, (
        f"never reached, so nothing is proved: {', '.join(missing)}; try more examples, or a higher "
        "weight of the actions that lead there"
    )
    return result


def prove_broken(mode_id: str, *, breaks: str | None = None) -> ProofResult:
    """Every reachable state of the broken system, to the first that breaks.

    Raises AssertionError if none does, or the shortest trace there is not as long as the scenario says.
    """
    mode = _mode(mode_id, breaks)
    answer = explore_all(proof_of(mode, broken=True))
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is not None, f"{mode_id} breaks in no reachable state of its scope"
    assert answer.shortest == mode.shortest, f"the shortest trace is {answer.actions}"
    return answer


def prove_guarded(mode_id: str, *, breaks: str | None = None) -> ProofResult:
    """Every reachable state with the fault put right, in the same scope.

    Raises AssertionError if one breaks, or there are not as many as the scenario says.
    """
    mode = _mode(mode_id, breaks)
    answer = explore_all(proof_of(mode, broken=False))
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is None, f"the guarded system broke: {answer.finding}, by {answer.actions}"
    states = answer.counts.states
    assert states == mode.states, f"{states} states, and the scenario says {mode.states}"
    return answer


def _mode(mode_id: str, breaks: str | None) -> FailureMode:
    mode = failure_mode(mode_id)
    if breaks is None:
        return mode
    assert breaks in mode.invariants, f"{mode.id}: its scenario does not say it breaks {breaks}"
    return mode.breaking(breaks)
