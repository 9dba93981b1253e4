"""Searches and proofs whose answer counts only as a whole: an interrupted one raises KeyboardInterrupt."""

from failure_modes.checker import machine, proving
from failure_modes.checker.explorer import Proof
from failure_modes.checker.machine import Result, Search
from failure_modes.checker.proving import Answer


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
