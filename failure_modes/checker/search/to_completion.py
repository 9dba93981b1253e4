"""Searches and proofs that run to completion, or raise KeyboardInterrupt without a result."""

from failure_modes.checker.proof import proving
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.search import Result, Search, run


def search(wanted: Search, *, driver: str | None = None) -> Result:
    """Run a search with that driver. Raises KeyboardInterrupt."""
    result = run(wanted, driver=driver)
    if result.statistics.interrupted:
        raise KeyboardInterrupt
    return result


def prove(wanted: Proof, *, processes: int = 1) -> ProofResult:
    """Run a proof. Raises KeyboardInterrupt, and the exceptions of `proving.prove`."""
    answer = proving.prove(wanted, processes=processes)
    if answer.bound == "interrupted":
        raise KeyboardInterrupt
    return answer
