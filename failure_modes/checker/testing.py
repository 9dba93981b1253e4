"""The base classes of the tests of a failure mode: `Break` for the break, and `Fix` for its fix.

A test module derives its own class, which has the expected values, and inherits the tests. Each test runs a
search or a proof, and compares the result with the class and the scenario.
"""

from typing import ClassVar

import pytest

from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.summary import unreached
from failure_modes.checker.search import plans
from failure_modes.checker.search.drivers import DEFAULT
from failure_modes.checker.search.search import Result

SEEDS = range(3)
"""The seeds of the searches in the tests. `nox -s seeds` uses ten seeds."""

SEEDS_EACH_TIME = 2
"""The number of seeds in each test run; `nox -s slow` runs the others."""


class Break:
    """A break of a failure mode: every search finds it, and no trace to it is shorter.

    A subclass says in its docstring why no trace can be shorter.
    """

    mode: ClassVar[str]
    breaks: ClassVar[str | None] = None
    """The target, if it is not the main target of the scenario."""
    got: ClassVar[str]
    """The message of the violation."""

    @pytest.mark.parametrize("seed", SEEDS)
    def test_every_seed_finds_it_and_ends_at_a_shortest_trace(self, seed: int) -> None:
        """With each seed the search breaks the invariant, and ends at a shortest trace."""
        self._compare(find(self.mode, seed=seed, breaks=self.breaks).finding)

    def test_no_trace_is_shorter(self) -> None:
        """No reachable state in the scope breaks the invariant after fewer actions."""
        self._compare(prove_broken(self.mode, breaks=self.breaks).finding)

    def _compare(self, finding: Finding | None) -> None:
        got = None if finding is None else finding.got
        assert got == self.got, f"the invariant says {got!r}, and the test expects {self.got!r}"


class Fix:
    """The fix of a break: without the fault nothing breaks, although the danger was reached.

    A subclass says in its docstring which policy prevents the break.
    """

    mode: ClassVar[str]
    breaks: ClassVar[str | None] = None
    """The target whose scope is searched and proved, if it is not the main target of the scenario."""
    examples: ClassVar[int]
    """The number of examples of the search."""

    def test_it_holds_under_the_same_strategy(self) -> None:
        """No invariant breaks, and the search reaches every property in `must_reach` of the scenario."""
        prevent(self.mode, seed=1, examples=self.examples, breaks=self.breaks)

    def test_it_holds_in_every_reachable_state(self) -> None:
        """The proof in the scope of the failure mode is complete, and nothing breaks."""
        prove_guarded(self.mode, breaks=self.breaks)


def find(mode_id: str, *, seed: int, breaks: str | None = None) -> Result:
    """Search the broken system. Raises AssertionError if the search does not end at a shortest trace."""
    mode = _mode(mode_id, breaks)
    shortest = mode.expected.shortest
    assert shortest, f"{mode.id}: `shortest` is missing in its scenario.py; `prove` computes it"
    assert mode.has_fault, f"{mode.id}: the fault in its scenario.py does not change the queue"
    result = plans.find(mode, seed, driver=DEFAULT)  # the explorer, asked first, would use no seed
    assert result.finding is not None, (
        f"{mode.id} was not found in {plans.EXAMPLES_MAX} examples, seed {seed}; examples that broke another "
        f"invariant first, and were skipped: {dict(result.statistics.off_target) or 'none'}"
    )
    assert result.finding.invariant == mode.breaks
    assert len(result.actions) == shortest, f"seed {seed} ends at {result.actions}"
    assert result.finding.step in (shortest, None), "the break must be at the last action, or in the recovery"
    return result


def prevent(mode_id: str, *, seed: int, examples: int, breaks: str | None = None) -> Result:
    """Search without the fault. Raises AssertionError if it breaks, or never reaches the danger."""
    mode = _mode(mode_id, breaks)
    must_reach = mode.expected.must_reach
    unknown = unknown_of(must_reach)
    assert unknown is None, f"{mode.id}: {unknown}"
    result = plans.prevent(mode, seed, examples=examples)
    assert result.finding is None, f"the guarded system broke: {result.finding}, by {result.actions}"
    missing = unreached(must_reach, result)
    assert not missing, (
        f"never reached, so the search proves nothing: {', '.join(missing)}; try more examples, or a higher "
        "weight of the actions that lead there"
    )
    return result


def prove_broken(mode_id: str, *, breaks: str | None = None) -> ProofResult:
    """Visit every reachable state of the broken system, until the invariant breaks.

    Raises AssertionError if it does not break, or if the shortest trace has not the expected length.
    """
    mode = _mode(mode_id, breaks)
    answer = plans.prove(mode, broken=True)
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is not None, f"{mode_id} breaks in no reachable state of its scope"
    assert answer.finding.invariant == mode.breaks
    assert answer.shortest == mode.expected.shortest, f"the shortest trace is {answer.actions}"
    return answer


def prove_guarded(mode_id: str, *, breaks: str | None = None) -> ProofResult:
    """Visit every reachable state without the fault, in the same scope.

    Raises AssertionError if an invariant breaks, or if the number of states is not the expected one.
    """
    mode = _mode(mode_id, breaks)
    answer = plans.prove(mode, broken=False)
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is None, f"the guarded system broke: {answer.finding}, by {answer.actions}"
    states, expected = answer.counts.states, mode.expected.states
    assert states == expected, f"{states} states, but the scenario expects {expected}"
    return answer


def _mode(mode_id: str, breaks: str | None) -> FailureMode:
    mode = failure_mode(mode_id)
    if breaks is None:
        return mode
    assert breaks in mode.invariants, f"{mode.id}: its scenario does not have {breaks}"
    return mode.breaking(breaks)
