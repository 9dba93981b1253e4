"""The result of a proof. The plain lock-step confirms a violation, from the start, before it is reported."""

from typing import Any

from attrs import frozen

from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.lockstep import run_actions
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Broken, Counts, Proof
from failure_modes.checker.support.errors import CheckerError
from model.actions import Action


class Disagreement(CheckerError):
    """The explorer found a violation that the plain lock-step does not find: nothing is proved."""


@frozen(kw_only=True)
class ProofResult:
    """The result of a proof.

    `complete`: every reachable state was checked, or a shortest violation was found. Otherwise `bound` names
    what stopped the proof: `depth`, `seconds`, `states` or `interrupted`. `depth` is the number of levels
    that were finished: every violation up to that length was found. `others` are the invariants that broke
    and were not the target; a proof that went on from a checkpoint has those since then.
    """

    complete: bool
    bound: str | None
    counts: Counts
    depth: int
    seconds: float
    peak_memory_mb: float
    others: frozenset[str] = frozenset()
    finding: Finding | None = None
    actions: tuple[Action, ...] = ()

    @property
    def shortest(self) -> int | None:
        """The length of the shortest violation."""
        return len(self.actions) if self.finding else None

    def as_json(self) -> dict[str, Any]:
        """The result as one JSON object."""
        return {
            "complete": self.complete,
            "bound": self.bound,
            "states": self.counts.states,
            "transitions": self.counts.transitions,
            "depth": self.depth,
            "seconds": round(self.seconds, 3),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "shortest": self.shortest,
            "breaks": self.finding.invariant if self.finding else None,
        }


def confirmed(proof: Proof, broken: Broken) -> tuple[Finding, tuple[Action, ...]]:
    """The violation, found again by the plain lock-step from the start. Raises Disagreement.

    The actions have canonical names if it is found under them too: the liveness run schedules workers in the
    order of their names, so the names may matter there.
    """
    alphabet = Alphabet(proof.scope, proof.bounds)
    plain = tuple([alphabet.actions[number] for number in broken.trace])
    for actions in (canonical(plain), plain):
        again = run_actions(proof.scope, proof.fault, proof.target, actions)
        same = again is not None and again.finding.invariant == broken.finding.invariant
        if again is not None and same and again.actions == actions:
            return again.finding, actions
    raise Disagreement(
        f"the explorer found {broken.finding.invariant}: {broken.finding.got}, by {plain}; run from the "
        f"start it gives {again}"
    )
