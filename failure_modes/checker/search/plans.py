"""The searches and proofs of a failure mode, on the broken system and on its control."""

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove as explore_all
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.search import Result, Search, run

EXAMPLES_MAX = 5_000
"""The number of examples of a search for a break, at most."""


def search_of(mode: FailureMode, seed: int, *, broken: bool, examples: int = EXAMPLES_MAX) -> Search:
    """The search of a failure mode. On the control it should find nothing."""
    return Search(
        scope=mode.scope,
        strategy=mode.strategy,
        fault=mode.fault if broken else mode.control,
        target=mode.target if broken else None,
        seed=seed,
        examples=examples,
        bounds=mode.bounds if broken else None,
        symmetric=mode.symmetric,
    )


def proof_of(mode: FailureMode, *, broken: bool) -> Proof:
    """The proof of a failure mode: of its shortest trace, or that its control holds."""
    return Proof(
        scope=mode.scope,
        bounds=mode.bounds,
        fault=mode.fault if broken else mode.control,
        target=mode.target if broken else None,
        reductions=Reductions(symmetry=mode.symmetric or not broken),
    )


def find(mode: FailureMode, seed: int = 0, *, driver: str | None = None) -> Result:
    """Search the broken system, and minimise the trace of the break. `driver`: as in `search.run`."""
    return run(search_of(mode, seed, broken=True), driver=driver)


def prevent(
    mode: FailureMode, seed: int = 0, *, examples: int | None = None, driver: str | None = None
) -> Result:
    """Search the control, which should hold. `driver`: as in `search.run`."""
    search = search_of(mode, seed, broken=False, examples=examples or mode.expected.examples)
    return run(search, driver=driver)


def prove(mode: FailureMode, *, broken: bool) -> ProofResult:
    """Visit every reachable state of the control, or of the broken system until the invariant breaks."""
    return explore_all(proof_of(mode, broken=broken))


def guards_of(mode: FailureMode) -> tuple[FailureMode, ...]:
    """The entries of `mode.each` whose controls must be checked. Entries with the same check occur once."""
    different: list[FailureMode] = []
    for candidate in mode.each:
        if _control_check(candidate) not in [_control_check(other) for other in different]:
            different.append(candidate)
    return tuple(different)


def _control_check(mode: FailureMode) -> tuple[object, ...]:
    """The values on which the check of the control depends."""
    expected = mode.expected
    return mode.scope, mode.strategy, mode.bounds, mode.control, expected.must_reach, expected.states
