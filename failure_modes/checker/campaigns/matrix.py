"""The matrix: switch off each policy, alone or in sets, and prove which invariants break.

If nothing breaks without a policy, the policy is not necessary in its scope. If a set of policies breaks an
invariant, and no smaller set in it does, the set shows a failure mode that none of its policies shows alone.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

from attrs import frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, guarded
from failure_modes.checker.experiment.target import Target, needs_ending, tolerating_others
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.to_completion import prove
from failure_modes.checker.subject.absent_policies import without
from failure_modes.checker.support.process_pool import WorkPool
from model.invariants import INVARIANTS
from model.state import Settings


@frozen(kw_only=True)
class PolicyGroup:
    """Policies that are judged in the same scope, in which each of them has an effect.

    The schema of the scope has no unique indexes, because an index would hide that a policy is missing.
    """

    policies: tuple[str, ...]
    scope: Scope
    bounds: Bounds

    @property
    def description(self) -> str:
        """The bounds and the scope, in words."""
        return self.bounds.described(self.scope)


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
    """The policies that are switched off together, and the proof results for each invariant.

    If `off` is empty, the row is about the guarded system. In the proofs of `results` no other invariant may
    break first. If such a proof ends at other breaks, `tolerant_results` has a second proof, which tolerates
    them.
    """

    off: tuple[str, ...]
    results: tuple[ProofResult, ...]
    tolerant_results: tuple[ProofResult | None, ...]


def matrix(
    group: PolicyGroup, pool: WorkPool, done: Callable[[str], None], together: int = 1
) -> Iterator[Row]:
    """Yield a row for each set of up to `together` policies of the group, then one for the guarded system.

    `done` is called with the description of each row. Raises KeyboardInterrupt.
    """
    sizes = range(1, together + 1)
    sets = [names for size in sizes for names in combinations(group.policies, size)]
    for row in pool.in_order(partial(_row, group), [*sets, ()]):
        done(f"{' and '.join(row.off)} switched off" if row.off else "all policies on")
        yield row


def _row(group: PolicyGroup, names: tuple[str, ...]) -> Row:
    """The row of these policies. Runs in a process of the pool."""
    if not names:
        result = _proof_result(group, guarded, None)
        none = (None,) * len(INVARIANTS)
        return Row(off=(), results=(result,) * len(INVARIANTS), tolerant_results=none)
    proofs = SharedProofs(group, partial(without, names))
    strict, tolerant = {}, {}
    for invariant in _IN_ORDER:
        result = strict[invariant] = proofs.of(Target(invariant))
        others = result.finding is None and result.counts.off_target
        tolerant[invariant] = proofs.of(tolerating_others(invariant)) if others else None
    return Row(
        off=names,
        results=tuple([strict[invariant.id] for invariant in INVARIANTS]),
        tolerant_results=tuple([tolerant[invariant.id] for invariant in INVARIANTS]),
    )


_IN_ORDER = tuple(
    sorted([invariant.id for invariant in INVARIANTS], key=lambda name: not needs_ending(Target(name)))
)
"""First the invariants that are judged at the ends of states: their proofs answer for the most others."""


class SharedProofs:
    """The proofs of one fault. One without a finding answers for the targets that break nowhere in it, too.

    Two targets have the same proof if neither breaks in it, and if each other invariant is tolerated by both
    or by none.
    """

    def __init__(self, group: PolicyGroup, fault: Fault) -> None:
        self._group = group
        self._fault = fault
        self._without_finding: list[tuple[Target, ProofResult]] = []

    def of(self, target: Target) -> ProofResult:
        """The proof for the target, or one that answers for it."""
        for other, result in self._without_finding:
            if _answers_for(other, result, target):
                return result
        result = _proof_result(self._group, self._fault, target)
        if result.complete and result.finding is None:
            self._without_finding.append((target, result))
        return result


def _answers_for(other: Target, result: ProofResult, target: Target) -> bool:
    """True if the proof of `other`, which found nothing, is what a proof of `target` would be."""
    either = {other.invariant, target.invariant}
    same = {*other.tolerates} | either == {*target.tolerates} | either
    judged = needs_ending(other) or not needs_ending(target)
    return same and judged and target.invariant not in result.others


def is_new(row: Row, at: int, rows: Iterable[Row]) -> bool:
    """True if the set breaks the invariant `INVARIANTS[at]`, and no smaller set in it does."""
    smaller = [other for other in rows if set(other.off) < set(row.off) and other.off]
    breaks = row.results[at].shortest is not None
    return breaks and bool(smaller) and all(other.results[at].shortest is None for other in smaller)


def _proof_result(group: PolicyGroup, fault: Fault, target: Target | None) -> ProofResult:
    proof = Proof(scope=group.scope, bounds=group.bounds, fault=fault, target=target)
    return prove(proof)
