"""What is asked of a failure mode: its search, and its proof, on the broken system and on the guarded one."""

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.search.machine import Search

EXAMPLES_MAX = 5_000
"""How many examples a search for a break tries."""


def search_of(mode: FailureMode, seed: int, *, broken: bool, examples: int = EXAMPLES_MAX) -> Search:
    """Its search; on the guarded system nothing should be found."""
    return Search(
        strategy=mode.strategy,
        swap=mode.swap if broken else mode.base,
        hunted=mode.hunt if broken else None,
        seed=seed,
        examples=examples,
    )


def proof_of(mode: FailureMode, *, broken: bool) -> Proof:
    """Its proof: of the shortest trace, or that nothing breaks."""
    return Proof(
        scope=mode.strategy.scope,
        bounds=mode.bounds,
        swap=mode.swap if broken else mode.base,
        target=mode.hunt if broken else None,
        reductions=Reductions(symmetry=mode.symmetric or not broken),
    )


def guards_of(mode: FailureMode) -> tuple[FailureMode, ...]:
    """Of all that it breaks what is to be tried with the fault put right: no question twice."""
    asked: list[FailureMode] = []
    for one in mode.each:
        if _question(one) not in [_question(other) for other in asked]:
            asked.append(one)
    return tuple(asked)


def _question(mode: FailureMode) -> tuple[object, ...]:
    return mode.strategy, mode.bounds, mode.base, mode.must_reach, mode.states
