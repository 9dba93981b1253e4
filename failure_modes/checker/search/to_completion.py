"""Searches and proofs whose answer counts only as a whole: an interrupted one raises KeyboardInterrupt."""

from failure_modes.checker.proof import proving
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search import machine
from failure_modes.checker.search.machine import Result, Search


def search(wanted: Search) -> Result:
    """Search to the end. Raises KeyboardInterrupt."""
    result = machine.run(wanted)
    if result.statistics.interrupted:
        raise KeyboardInterrupt
    return result


def prove(wanted: Proof, *, processes: int = 1) -> ProofResult:
    """Prove to the end. Raises KeyboardInterrupt, and what `proving.prove` raises."""
    answer = proving.prove(wanted, processes=processes)
    if answer.bound == "interrupted":
        raise KeyboardInterrupt
    return answer
