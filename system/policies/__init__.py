"""The policies: small objects that the queue is composed of. Each names the invariants that it protects.

This package exports everything that a policy of your own needs: policies, their arguments and their results.
"""

from attrs import field, frozen

from system.audit import EventKind, Operation, Reason
from system.policies.breaker import CircuitBreaker
from system.policies.budget import RetryBudget
from system.policies.commit import CommitBoundary
from system.policies.external import ExternalKeys
from system.policies.fence import Fence, refuse
from system.policies.idempotency import Accepted, Idempotency
from system.policies.lease import Lease, LeasePolicies, Leasing
from system.policies.reconcile import Reconciled, Reconciliation
from system.policies.retry import Retry
from system.store import HELD, Execution, Job, Status, Store, Transaction


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
    "HELD",
    "Accepted",
    "CircuitBreaker",
    "CommitBoundary",
    "EventKind",
    "Execution",
    "ExternalKeys",
    "Fence",
    "Idempotency",
    "Job",
    "Lease",
    "LeasePolicies",
    "Leasing",
    "Operation",
    "Policies",
    "Reason",
    "Reconciled",
    "Reconciliation",
    "Retry",
    "RetryBudget",
    "Status",
    "Store",
    "Transaction",
    "refuse",
]
