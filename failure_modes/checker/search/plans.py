"""What is asked of a failure mode: its search, and its proof, on the broken system and on the guarded one."""

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove as explore_all
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.machine import Result, Search, run

EXAMPLES_MAX = 5_000
"""How many examples a search for a break tries."""


def search_of(mode: FailureMode, seed: int, *, broken: bool, examples: int = EXAMPLES_MAX) -> Search:
    """Its search; on the guarded system nothing should be found."""
    return Search(
        scope=mode.scope,
        strategy=mode.strategy,
        fault=mode.fault if broken else mode.control,
        target=mode.target if broken else None,
        seed=seed,
        examples=examples,
    )


def proof_of(mode: FailureMode, *, broken: bool) -> Proof:
    """Its proof: of the shortest trace, or that nothing breaks."""
    return Proof(
        scope=mode.scope,
        bounds=mode.bounds,
        fault=mode.fault if broken else mode.control,
        target=mode.target if broken else None,
        reductions=Reductions(symmetry=mode.symmetric or not broken),
    )


def find(mode: FailureMode, seed: int = 0) -> Result:
    """Search the broken system, and minimise what is found."""
    return run(search_of(mode, seed, broken=True))


def prevent(mode: FailureMode, seed: int = 0, *, examples: int | None = None) -> Result:
    """The same search of the right system: nothing should be found."""
    return run(search_of(mode, seed, broken=False, examples=examples or mode.expected.examples))


def prove(mode: FailureMode, *, broken: bool) -> ProofResult:
    """Every reachable state of the broken system, to the first that breaks; or of the right system."""
    return explore_all(proof_of(mode, broken=broken))


def guards_of(mode: FailureMode) -> tuple[FailureMode, ...]:
    """Of all that it breaks what is to be tried with the fault put right: no question twice."""
    asked: list[FailureMode] = []
    for one in mode.each:
        if _question(one) not in [_question(other) for other in asked]:
            asked.append(one)
    return tuple(asked)


def _question(mode: FailureMode) -> tuple[object, ...]:
    expected = mode.expected
    return mode.scope, mode.strategy, mode.bounds, mode.control, expected.must_reach, expected.states
