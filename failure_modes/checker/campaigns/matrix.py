"""Each policy switched off, alone or together: which invariants break, and by how short a trace.

A policy that can be left out without a break is not necessary in its scope. Where a set of policies breaks
an invariant that no smaller set in it breaks, there is a failure mode that none of them shows.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

from attrs import frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target, tolerating_others
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.to_completion import prove
from failure_modes.checker.subject.absent_policies import without
from model.invariants import INVARIANTS
from model.state import Settings


@frozen(kw_only=True)
class PolicyGroup:
    """Policies that are judged in one scope: each needs one in which it has something to do.

    The schema has no unique indexes in it: they would refuse what a policy is there to prevent.
    """

    policies: tuple[str, ...]
    scope: Scope
    bounds: Bounds

    @property
    def description(self) -> str:
        """The scope in words."""
        return f"{self.bounds.description}; {self.scope.description}"


GROUPS = (
    PolicyGroup(
        policies=("idempotency", "lease", "commit", "fence", "retry", "reconcile"),
        scope=Scope(workers=2, settings=Settings(attempts_max=2), constraints=False),
        bounds=Bounds(jobs=1, retries=1, ticks=1, crashes=1, failures=1),
    ),
    PolicyGroup(
        policies=("budget", "breaker", "external"),
        scope=Scope(
            workers=2,
            settings=Settings(retries_max=1, failures_max=1, external=True),
            constraints=False,
        ),
        bounds=Bounds(jobs=1, ticks=1, crashes=1, failures=2),
    ),
)


@frozen(kw_only=True)
class Row:
    """Policies that are switched off together, and the result for each invariant.

    Without policies it is the guarded system. `answers` are proofs with no other invariant broken before.
    Where these find nothing, `later` are proofs in which others may break before.
    """

    off: tuple[str, ...]
    answers: tuple[ProofResult, ...]
    later: tuple[ProofResult | None, ...]


def matrix(
    group: PolicyGroup, processes: int, done: Callable[[str], None], together: int = 1
) -> Iterator[Row]:
    """Yield a row for each set of up to `together` policies of the group. `done` is called with each result.

    Raises KeyboardInterrupt.
    """
    for size in range(1, together + 1):
        for names in combinations(group.policies, size):
            answers, later, fault = [], [], partial(without, names)
            for invariant in INVARIANTS:
                first = _answer(group, fault, Target(invariant.id), processes)
                others = first.finding is None and first.counts.off_target
                answers.append(first)
                later.append(
                    _answer(group, fault, tolerating_others(invariant.id), processes) if others else None
                )
                done(f"{' and '.join(names)} switched off: {invariant.id}")
            yield Row(off=names, answers=tuple(answers), later=tuple(later))
    answer = _answer(group, guarded, None, processes)
    yield Row(off=(), answers=(answer,) * len(INVARIANTS), later=(None,) * len(INVARIANTS))


def is_new(row: Row, at: int, rows: Iterable[Row]) -> bool:
    """True if the set breaks the invariant at that place of `INVARIANTS`, and no smaller set in it does."""
    smaller = [other for other in rows if set(other.off) < set(row.off) and other.off]
    breaks = row.answers[at].shortest is not None
    return breaks and bool(smaller) and all(other.answers[at].shortest is None for other in smaller)


def _answer(group: PolicyGroup, fault: Fault, target: Target | None, processes: int) -> ProofResult:
    proof = Proof(scope=group.scope, bounds=group.bounds, fault=fault, target=target)
    return prove(proof, processes=processes)
