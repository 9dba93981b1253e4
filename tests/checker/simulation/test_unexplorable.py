"""The explorer refuses a system whose next step depends on chance or on data outside of its state."""

import sys
from itertools import count

import pytest
from attrs import frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotDeterministic
from system.audit import Reason
from system.policies import CommitBoundary, Fence
from system.policies.lease import Lease
from system.queue import Queue
from system.sqlite import SQLiteTransaction
from system.store import Execution, Job, Transaction
from tests.checker.oracle.test_breakages import policies, queues, transactions

BOTH = pytest.mark.parametrize("granularity", list(Granularity))


class ReadsAudit(Queue):
    """Reads the audit before each lease."""

    def lease(self, worker: str) -> Lease | None:
        """Read the audit first."""
        list(self.store.audit())
        return super().lease(worker)


@BOTH
def test_a_system_that_reads_its_audit_is_refused(granularity: Granularity) -> None:
    """The audit is no part of a state, so a system whose next step depends on it cannot be explored."""
    proof = Proof(scope=Scope(granularity=granularity), bounds=Bounds(jobs=1), fault=queues(ReadsAudit))
    with pytest.raises(Unexplorable, match="the system reads or rewrites its audit: SELECT"):
        prove(proof)


_calls = count()


class LooksTwice(SQLiteTransaction):
    """Looks for a job twice in every third lease, counted over all processes."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look once, or twice in every third call."""
        if next(_calls) % 3 == 0:
            super().next_available(retries=retries)
        return super().next_available(retries=retries)


@frozen
class AsksTwice(CommitBoundary):
    """Reads a missing job in every third commit, counted over all processes."""

    def _refusal(self, tx: Transaction, fence: Fence, execution: Execution) -> Reason | None:
        if next(_calls) % 3 == 0:
            tx.job(execution.job_id)
        return super()._refusal(tx, fence, execution)


@BOTH
@pytest.mark.parametrize(
    "fault", [transactions(LooksTwice), policies(commit=AsksTwice())], ids=["a lease", "a commit"]
)
def test_a_system_that_is_not_deterministic_is_refused(
    granularity: Granularity, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restored process must do the same things in its replay; a recorded answer is not computed again."""
    monkeypatch.setattr(sys.modules[__name__], "_calls", count())
    bounds = Bounds(jobs=1, ticks=1, crashes=1, reconciles=1)
    switches = Reductions(answers=False)
    with pytest.raises(NotDeterministic):
        prove(Proof(scope=Scope(granularity=granularity), bounds=bounds, fault=fault, reductions=switches))
