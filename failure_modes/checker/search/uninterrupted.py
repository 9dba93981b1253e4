"""Searches and proofs whose answer counts only as a whole: an interrupted one raises KeyboardInterrupt."""

from failure_modes.checker.proof import proving
from failure_modes.checker.proof.explorer import Proof
from failure_modes.checker.proof.proving import Answer
from failure_modes.checker.search import machine
from failure_modes.checker.search.results import Result, Search


def search(wanted: Search) -> Result:
    """Search to the end. Raises KeyboardInterrupt."""
    result = machine.run(wanted)
    if result.tally.interrupted:
        raise KeyboardInterrupt
    return result


def prove(wanted: Proof, *, processes: int = 1) -> Answer:
    """Prove to the end. Raises KeyboardInterrupt, and what `proving.prove` raises."""
    answer = proving.prove(wanted, processes=processes)
    if answer.bound == "interrupted":
        raise KeyboardInterrupt
    return answer
