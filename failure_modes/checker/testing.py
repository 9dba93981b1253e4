"""What the tests of a failure mode are made of: a class for a break, and a class for its fix.

A test module says what is expected, in a class of its own; the tests come with `Break` and `Fix`. Each of
them can fail: it searches or proves by itself, and compares the result with the class and the scenario.
"""

from typing import ClassVar

import pytest

from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.sometimes import unknown_of
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.summary import unreached
from failure_modes.checker.search import plans
from failure_modes.checker.search.machine import Result

SEEDS = range(3)
"""Of the searches that the tests make; `nox -s seeds` makes ten."""

SEEDS_EACH_TIME = 2
"""So many of them are searched whenever the tests run, and the others by `nox -s slow`."""


class Break:
    """A break of a failure mode: every search finds it, and no trace to it is shorter.

    A subclass says in its docstring why no trace can be shorter.
    """

    mode: ClassVar[str]
    breaks: ClassVar[str | None] = None
    """The invariant that breaks, if not the first that the scenario names."""
    got: ClassVar[str]
    """The text of the invariant: what is wrong."""

    @pytest.mark.parametrize("seed", SEEDS)
    def test_every_seed_finds_it_and_ends_at_a_shortest_trace(self, seed: int) -> None:
        """The search breaks the invariant whatever its seed, and ends at a trace as short as any."""
        self._compare(find(self.mode, seed=seed, breaks=self.breaks).finding)

    def test_no_trace_is_shorter(self) -> None:
        """Of every reachable state in the scope, none breaks the invariant after fewer actions."""
        self._compare(prove_broken(self.mode, breaks=self.breaks).finding)

    def _compare(self, finding: Finding | None) -> None:
        got = None if finding is None else finding.got
        assert got == self.got, f"the invariant says {got!r}, and the test expects {self.got!r}"


class Fix:
    """The fix of a break: without the fault nothing breaks, and the danger was there.

    A subclass says in its docstring which policy prevents the break.
    """

    mode: ClassVar[str]
    breaks: ClassVar[str | None] = None
    """The invariant whose scope is searched and proved, if not the first that the scenario names."""
    examples: ClassVar[int]
    """How many the search tries."""

    def test_it_holds_under_the_same_strategy(self) -> None:
        """No invariant breaks, and everything that the scenario says must be reached was reached."""
        prevent(self.mode, seed=1, examples=self.examples, breaks=self.breaks)

    def test_it_holds_in_every_reachable_state(self) -> None:
        """In the scope of the failure mode, in every order: complete, and nothing breaks."""
        prove_guarded(self.mode, breaks=self.breaks)


def find(mode_id: str, *, seed: int, breaks: str | None = None) -> Result:
    """Search the broken system. Raises AssertionError if it does not end at a trace as short as any."""
    mode = _mode(mode_id, breaks)
    shortest = mode.expected.shortest
    assert shortest, f"{mode.id}: its scenario does not say how long the shortest trace is; `prove` does"
    assert mode.has_fault, f"{mode.id}: the fault in its scenario.py gives the queue back as it is"
    result = plans.find(mode, seed)
    assert result.finding is not None, (
        f"{mode.id} was not found in {plans.EXAMPLES_MAX} examples, seed {seed}"
    )
    assert result.finding.invariant == mode.breaks
    assert len(result.actions) == shortest, f"seed {seed} ends at {result.actions}"
    assert result.finding.step in (shortest, None), "it breaks at the last action, or in the recovery"
    return result


def prevent(mode_id: str, *, seed: int, examples: int, breaks: str | None = None) -> Result:
    """The same search without the fault. Raises AssertionError if it breaks, or shows nothing."""
    mode = _mode(mode_id, breaks)
    must_reach = mode.expected.must_reach
    unknown = unknown_of(must_reach)
    assert unknown is None, f"{mode.id}: {unknown}"
    result = plans.prevent(mode, seed, examples=examples)
    assert result.finding is None, f"the guarded system broke: {result.finding}, by {result.actions}"
    missing = unreached(must_reach, result)
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
    answer = plans.prove(mode, broken=True)
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is not None, f"{mode_id} breaks in no reachable state of its scope"
    assert answer.finding.invariant == mode.breaks
    assert answer.shortest == mode.expected.shortest, f"the shortest trace is {answer.actions}"
    return answer


def prove_guarded(mode_id: str, *, breaks: str | None = None) -> ProofResult:
    """Every reachable state without the fault, in the same scope.

    Raises AssertionError if one breaks, or there are not as many as the scenario says.
    """
    mode = _mode(mode_id, breaks)
    answer = plans.prove(mode, broken=False)
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is None, f"the guarded system broke: {answer.finding}, by {answer.actions}"
    states, expected = answer.counts.states, mode.expected.states
    assert states == expected, f"{states} states, and the scenario says {expected}"
    return answer


def _mode(mode_id: str, breaks: str | None) -> FailureMode:
    mode = failure_mode(mode_id)
    if breaks is None:
        return mode
    assert breaks in mode.invariants, f"{mode.id}: its scenario does not say it breaks {breaks}"
    return mode.breaking(breaks)
