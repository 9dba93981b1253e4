"""The lock-step compares what callers are told, and every column of the store.

Each queue here leaves the rows, the executions and the order of things as they must be, and is wrong only in
what it answers or in a column that no operation reads.

With `SystemSide.answers` and `Lockstep._compare_counts` replaced by nothing, and without the columns payload,
enqueued_at and detail, 300 examples find none of `ANSWERS` and none of the first three of `COLUMNS`, each in
about 9 s. With them each is found in 0.1 to 2 s. Reason, actor and time of the audit were compared before.
"""

from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve, field, frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.describe import contrast
from model.actions import RECONCILER
from system.policies import Idempotency
from system.policies.idempotency import Accepted
from system.policies.lease import Lease
from system.policies.reconcile import Reconciled
from system.queue import Queue, to_json
from system.records import Counts
from system.sql import SQLReads
from system.sqlite import SQLiteTransaction
from system.store import Execution, Job, Store
from tests.checker.oracle.test_breakages import policies, queues, transactions
from tests.checker.searching import first_finding

EXAMPLES = 300


class AlwaysNew(Idempotency):
    """A duplicate is answered as a new job."""

    def accept(self, store: Store, **options: Any) -> Accepted:
        """Say that it did not exist."""
        return evolve(super().accept(store, **options), existed=False)


class Undone(Exception):
    """Undoes what a transaction wrote."""


@frozen
class SaysYes(Idempotency):
    """An enqueue after the first is undone, and answered all the same."""

    calls: list[str] = field(factory=list)

    def accept(self, store: Store, **options: Any) -> Accepted:
        """Write the job, roll back, and answer with the job."""
        self.calls.append(str(options["key"]))
        if len(self.calls) == 1:
            return super().accept(store, **options)
        with suppress(Undone), store.transaction() as tx:
            job = tx.add_job(key=None, payload_json=options["payload_json"], attempts_max=1)
            raise Undone
        return Accepted(job=evolve(job, key=options["key"]), existed=False)


@frozen(kw_only=True)
class HalfDeaf(Queue):
    """Every second lease is answered without a look at the store."""

    calls: list[str] = field(factory=list)

    def lease(self, worker: str) -> Lease | None:
        """No job, though one may be due."""
        self.calls.append(worker)
        return None if len(self.calls) % 2 else super().lease(worker)


class WrongAttempt(Queue):
    """The answer of a lease has the number of the next attempt."""

    def lease(self, worker: str) -> Lease | None:
        """Count one too many."""
        lease = super().lease(worker)
        if lease is None:
            return None
        return evolve(lease, execution=evolve(lease.execution, attempt=lease.execution.attempt + 1))


class DeniesHeartbeat(Queue):
    """A heartbeat extends the lease and says that it did not."""

    def heartbeat(self, held: Execution) -> bool:
        """Say no."""
        super().heartbeat(held)
        return False


class DeniesFinish(Queue):
    """A finish is written, and answered as if another had been first."""

    def finish(self, held: Execution) -> bool:
        """Say no."""
        super().finish(held)
        return False


class DeniesFailure(Queue):
    """A failure is written, and answered as if the lease were lost."""

    def fail(self, held: Execution, *, detail: str, by_handler: bool = True) -> bool:
        """Say no."""
        super().fail(held, detail=detail, by_handler=by_handler)
        return False


class Miscounted(Queue):
    """A reconciliation counts what it finished as aborted."""

    def reconcile(self, *, actor: str = RECONCILER) -> Reconciled:
        """Exchange the two."""
        ended = super().reconcile(actor=actor)
        return Reconciled(finished=ended.aborted, aborted=ended.finished)


class LosesPayload(SQLiteTransaction):
    """The payload of a job is gone once its effect is written; the answer to a duplicate hides that."""

    def job_by_key(self, key: str) -> Job | None:
        """Give the payload of the duplicate."""
        job = super().job_by_key(key)
        return None if job is None else evolve(job, payload_json=to_json(key))

    def add_effect(self, *, job_id: int, execution_id: int, value: str) -> None:
        """Save space."""
        super().add_effect(job_id=job_id, execution_id=execution_id, value=value)
        self._run("UPDATE jobs SET payload = 'null' WHERE id = ?", job_id)


class EnqueuedAgain(SQLiteTransaction):
    """A job that gets a due time counts as enqueued then."""

    def set_available(self, job_id: int, available_at: int | None) -> None:
        """Write the time of the enqueue, too."""
        super().set_available(job_id, available_at)
        self._run("UPDATE jobs SET enqueued_at = ? WHERE id = ?", self.now, job_id)


def audited(place: int, value: Any) -> Fault:
    """The audit rows have this in one of their columns, where there is something in it."""

    class Audits(SQLiteTransaction):
        """Writes one column of the audit otherwise."""

        def _audit(self, *row: Any) -> None:
            columns = list(row)
            columns[place] = row[place] and value
            super()._audit(*columns)

    return transactions(Audits)


class LateAudit(SQLiteTransaction):
    """The audit rows have a time of their own."""

    def _audit(self, *row: Any) -> None:
        SQLiteTransaction._audit(evolve(self, now=self.now + 1), *row)  # noqa: SLF001 (of its own class)


ANSWERS: dict[str, tuple[Fault, str]] = {
    "a duplicate is answered as new": (policies(idempotency=AlwaysNew()), "answer of enqueue"),
    "an enqueue says yes and writes nothing": (
        lambda queue: policies(idempotency=SaysYes())(queue),  # each process has its own
        "enqueue has committed nothing",
    ),
    "a lease says no job without a look": (queues(HalfDeaf), "lease has committed nothing"),
    "a lease answers with another attempt": (queues(WrongAttempt), "answer of lease"),
    "a heartbeat that was done says no": (queues(DeniesHeartbeat), "answer of heartbeat"),
    "a finish that was done says no": (queues(DeniesFinish), "answer of finish"),
    "a failure that was written says no": (queues(DeniesFailure), "answer of fail"),
    "a reconciliation exchanges its counts": (queues(Miscounted), "answer of reconcile"),
}

AT_STATEMENTS = tuple(ANSWERS)[:4]
"""Those that are found soon at this granularity."""

COLUMNS: dict[str, tuple[Fault, str]] = {
    "the payload is lost when the effect is written": (transactions(LosesPayload), "job-1.payload"),
    "the time of the enqueue is written again": (transactions(EnqueuedAgain), "job-1.enqueued_at"),
    "the failure has another text": (audited(8, "?"), "detail of the audit row"),
    "the audit names another reason": (audited(7, "lease_lost"), ""),
    "the audit names another actor": (audited(0, "B"), "actor of the audit row"),
    "the audit has another time": (transactions(LateAudit), "at of the audit row"),
}


def found(fault: Fault, granularity: Granularity = Granularity.TRANSACTION) -> Finding | None:
    """What the search of the guarded system finds."""
    return first_finding(
        Scope(granularity=granularity).with_each_tick(),
        UNRESTRICTED,
        fault,
        seed=7,
        examples=EXAMPLES,
    )


def is_divergence(finding: Finding | None, text: str) -> None:
    """The finding says where the queue and the model differ."""
    assert finding is not None
    assert finding.invariant is None
    assert text in contrast(finding.expected, finding.got)


@pytest.mark.parametrize("breakage", ANSWERS)
def test_a_false_answer_is_a_divergence(breakage: str) -> None:
    """A queue that does the right thing and answers another is found."""
    fault, text = ANSWERS[breakage]
    is_divergence(found(fault), text)


@pytest.mark.parametrize("breakage", AT_STATEMENTS)
def test_an_answer_is_compared_with_the_commit_before_it(breakage: str) -> None:
    """At granularity `statement` the answer comes after the COMMIT, when others may have moved."""
    fault, text = ANSWERS[breakage]
    is_divergence(found(fault, Granularity.STATEMENT), text)


@pytest.mark.parametrize("breakage", COLUMNS)
def test_a_wrong_column_is_a_divergence(breakage: str) -> None:
    """A column that no operation reads is compared, too."""
    fault, text = COLUMNS[breakage]
    is_divergence(found(fault), text)


@pytest.mark.parametrize("name", ["pending", "duplicates_refused", "abandoned", "failed"])
def test_a_count_of_status_that_is_off_is_a_divergence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is something to count, `status` counts one too many."""
    counted = SQLReads._counts  # noqa: SLF001

    def off(self: SQLReads, now: str, values: tuple[object, ...]) -> Counts:
        counts = counted(self, now, values)
        number = getattr(counts, name)
        return evolve(counts, **{name: number + (number > 0)})

    monkeypatch.setattr(SQLReads, "_counts", off)
    is_divergence(found(guarded), f"status.{name}")
