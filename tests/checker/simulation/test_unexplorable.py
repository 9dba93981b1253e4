"""The explorer refuses a system whose next step depends on what is no part of a state, or on chance."""

import sys
from itertools import count

import pytest
from attrs import frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import NotTheSame
from system.audit import Reason
from system.policies import CommitBoundary, Fence
from system.policies.lease import Lease
from system.queue import Queue
from system.sqlite import SQLiteTransaction
from system.store import Execution, Job, Transaction
from tests.checker.oracle.test_breakages import policies, queues, transactions

BOTH = pytest.mark.parametrize("granularity", list(Granularity))


class ReadsAudit(Queue):
    """Whoever leases looks up what has happened."""

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
    """Every third lease, of whatever process, looks for a job twice."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Look, and look again if it is the third."""
        if next(_calls) % 3 == 0:
            super().next_available(retries=retries)
        return super().next_available(retries=retries)


@frozen
class AsksTwice(CommitBoundary):
    """Every third commit, of whatever process, looks for the job in vain."""

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
    """A process must come again to where it stood; what it remembers by its answer is not asked again."""
    monkeypatch.setattr(sys.modules[__name__], "_calls", count())
    bounds = Bounds(jobs=1, ticks=1, crashes=1, reconciles=1)
    switches = Reductions(answers=False)
    with pytest.raises(NotTheSame):
        prove(Proof(scope=Scope(granularity=granularity), bounds=bounds, fault=fault, reductions=switches))
