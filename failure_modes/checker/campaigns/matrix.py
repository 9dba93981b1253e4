"""Each policy switched off, alone or together: which invariants break, and by how short a trace.

A policy that can be left out without a break is not necessary in its scope. Where a set of policies breaks
an invariant that no smaller set in it breaks, there is a failure mode that none of them shows. The policies
whose absence is a failure mode are taken from the catalogue; the rest are left out here.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import combinations

from attrs import evolve, fields, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.scope import Scope, Swap, guarded
from failure_modes.checker.experiment.target import Hunt, past_others
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.search.uninterrupted import prove
from model.invariants import INVARIANTS
from model.state import Settings
from system.audit import Operation, Reason
from system.policies import CircuitBreaker, Fence, Policies, Reconciliation, Retry, RetryBudget
from system.policies.reconcile import Reconciled
from system.queue import Queue
from system.store import Execution, Store, Transaction


@frozen(kw_only=True)
class Part:
    """Policies that are judged in one scope: each needs one in which it has something to do.

    The schema has no unique indexes in it: they would refuse what a policy is there to prevent.
    """

    policies: tuple[str, ...]
    scope: Scope
    bounds: Bounds

    @property
    def told(self) -> str:
        """The scope in words."""
        return f"{self.bounds.told}; {self.scope.told}"


PARTS = (
    Part(
        policies=("idempotency", "lease", "commit", "fence", "retry", "reconcile"),
        scope=Scope(workers=2, settings=Settings(attempts_max=2), constraints=False),
        bounds=Bounds(jobs=1, retries=1, ticks=1, crashes=1, failures=1),
    ),
    Part(
        policies=("budget", "breaker", "external"),
        scope=Scope(
            workers=2,
            settings=Settings(retries_max=1, failures_max=1, external=True),
            constraints=False,
        ),
        bounds=Bounds(jobs=1, ticks=1, crashes=1, failures=2),
    ),
)


class NoFence(Fence):
    """Whoever comes may go on."""

    def refusal(self, execution: Execution, now: int) -> Reason | None:
        """No reason ever."""
        del execution, now
        return None


class NoEnd(Retry):
    """A job is retried at once and for ever."""

    def backoff_ms(self, attempt: int) -> int:
        """Do not wait."""
        del attempt
        return 0

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Never give up."""
        del tx, last, operation, actor
        return False


class NoReconciliation(Reconciliation):
    """Nobody looks at what dead workers left behind."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Do nothing."""
        del store, retry, actor
        return Reconciled(finished=0, aborted=0)


def without_fence(queue: Queue) -> Queue:
    """The queue without its fence."""
    return evolve(queue, policies=evolve(queue.policies, fence=NoFence()))


def without_retry(queue: Queue) -> Queue:
    """The queue without backoff and without an end of its retries."""
    retry = NoEnd(attempts_max=queue.policies.retry.attempts_max)
    return evolve(queue, policies=evolve(queue.policies, retry=retry))


def without_budget(queue: Queue) -> Queue:
    """The queue whose retries nothing counts."""
    return evolve(queue, policies=evolve(queue.policies, budget=RetryBudget()))


def without_breaker(queue: Queue) -> Queue:
    """The queue without a circuit breaker."""
    return evolve(queue, policies=evolve(queue.policies, breaker=CircuitBreaker()))


def without_reconciliation(queue: Queue) -> Queue:
    """The queue that nobody reconciles."""
    return evolve(queue, policies=evolve(queue.policies, reconcile=NoReconciliation()))


_ABSENT: dict[str, Swap] = {
    "fence": without_fence,
    "retry": without_retry,
    "budget": without_budget,
    "breaker": without_breaker,
    "reconcile": without_reconciliation,
}


@frozen(kw_only=True)
class Row:
    """Policies switched off together, and the answer for each invariant; no policies: the guarded system.

    `answers` are of runs that break it first; `later`, where none does, of those where others broke before.
    """

    off: tuple[str, ...]
    answers: tuple[ProofResult, ...]
    later: tuple[ProofResult | None, ...]


@cache
def off() -> dict[str, Swap]:
    """For each policy of the queue, how to switch it off."""
    known = {mode.switches_off: mode.swap for mode in catalogue() if mode.switches_off} | _ABSENT
    return {field.name: known[field.name] for field in fields(Policies)}


def matrix(part: Part, processes: int, done: Callable[[str], None], together: int = 1) -> Iterator[Row]:
    """The rows for sets of up to so many of its policies. `done` is called with what was computed.

    Raises KeyboardInterrupt.
    """
    for size in range(1, together + 1):
        for names in combinations(part.policies, size):
            answers, later, swap = [], [], partial(without, names)
            for invariant in INVARIANTS:
                first = _answer(part, swap, Hunt(invariant.id), processes)
                others = first.finding is None and first.counts.off_target
                answers.append(first)
                later.append(_answer(part, swap, past_others(invariant.id), processes) if others else None)
                done(f"{' and '.join(names)} switched off: {invariant.id}")
            yield Row(off=names, answers=tuple(answers), later=tuple(later))
    answer = _answer(part, guarded, None, processes)
    yield Row(off=(), answers=(answer,) * len(INVARIANTS), later=(None,) * len(INVARIANTS))


def is_new(row: Row, at: int, rows: Iterable[Row]) -> bool:
    """Whether the set breaks the invariant at that place of `INVARIANTS`, and no smaller set in it does."""
    smaller = [other for other in rows if set(other.off) < set(row.off) and other.off]
    breaks = row.answers[at].shortest is not None
    return breaks and bool(smaller) and all(other.answers[at].shortest is None for other in smaller)


def without(names: tuple[str, ...], queue: Queue) -> Queue:
    """The queue with these policies switched off, and all else as it was."""
    for name in names:
        queue = off()[name](queue)
    return queue


def _answer(part: Part, swap: Swap, hunted: Hunt | None, processes: int) -> ProofResult:
    proof = Proof(scope=part.scope, bounds=part.bounds, swap=swap, target=hunted)
    return prove(proof, processes=processes)
