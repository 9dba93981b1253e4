"""The policies: small objects that the queue is composed of. Each names the invariants that it protects."""

from attrs import field, frozen

from system.policies.breaker import CircuitBreaker
from system.policies.budget import RetryBudget
from system.policies.commit import CommitBoundary
from system.policies.external import ExternalKeys
from system.policies.fence import Fence
from system.policies.idempotency import Idempotency
from system.policies.lease import Leasing
from system.policies.reconcile import Reconciliation
from system.policies.retry import Retry


@frozen(kw_only=True)
class Policies:
    """One of each. Replace one with `attrs.evolve`."""

    idempotency: Idempotency = field(factory=Idempotency)
    lease: Leasing = field(factory=Leasing)
    commit: CommitBoundary = field(factory=CommitBoundary)
    fence: Fence = field(factory=Fence)
    retry: Retry = field(factory=Retry)
    budget: RetryBudget = field(factory=RetryBudget)
    breaker: CircuitBreaker = field(factory=CircuitBreaker)
    reconcile: Reconciliation = field(factory=Reconciliation)
    external: ExternalKeys = field(factory=ExternalKeys)


__all__ = [
    "CircuitBreaker",
    "CommitBoundary",
    "ExternalKeys",
    "Fence",
    "Idempotency",
    "Leasing",
    "Policies",
    "Reconciliation",
    "Retry",
    "RetryBudget",
]
