"""Mistakes with settings, batches and reconcilers. With the usual settings, none of them makes a difference.

The queue with one of them has another policy, or another class of its own, and all else as it was.
"""

from typing import Any, cast

from attrs import evolve

from failure_modes.checker.experiment.scope import Fault
from system.audit import EventKind, Operation, Reason
from system.policies import (
    Accepted,
    Execution,
    Idempotency,
    Reconciled,
    Reconciliation,
    Retry,
    Status,
    Store,
    Transaction,
)
from system.queue import Queue
from system.sqlite import SQLiteTransaction
from tests.checker.oracle.test_breakages import Transacting


def constant_lease(queue: Queue) -> Queue:
    """Each lease is for 30 s."""
    return evolve(queue, lease_seconds=30.0)


def constant_window(queue: Queue) -> Queue:
    """The window of the budget is a minute."""
    return _with(queue, budget=evolve(queue.policies.budget, window_seconds=60.0))


def constant_open_time(queue: Queue) -> Queue:
    """The breaker opens for 30 s."""
    return _with(queue, breaker=evolve(queue.policies.breaker, open_seconds=30.0))


def constant_backoff(queue: Queue) -> Queue:
    """The first wait is a second."""
    return _with(queue, retry=evolve(queue.policies.retry, backoff_seconds=1.0))


def constant_backoff_max(queue: Queue) -> Queue:
    """The longest wait is a minute."""
    return _with(queue, retry=evolve(queue.policies.retry, backoff_max_seconds=60.0))


def swapped_times(queue: Queue) -> Queue:
    """The breaker stays open for as long as a lease."""
    return _with(queue, breaker=evolve(queue.policies.breaker, open_seconds=queue.lease_seconds))


def whole_seconds(queue: Queue) -> Queue:
    """A lease has no part of a second."""
    return evolve(queue, lease_seconds=float(int(queue.lease_seconds)))


def cut_off(queue: Queue) -> Queue:
    """A lease is cut off to milliseconds, and not rounded."""
    return evolve(queue, lease_seconds=int(queue.lease_seconds * 1000) / 1000)


class SamePayload(Idempotency):
    """A duplicate is always said to have the payload of its job."""

    def accept(self, store: Store, **options: Any) -> Accepted:
        """Say so."""
        return evolve(super().accept(store, **options), same_payload=True)


class LastPayload(Idempotency):
    """The payload of a job is what was asked for last under its key."""

    def accept(self, store: Store, **options: Any) -> Accepted:
        """Write it in the transaction of the duplicate."""

        class Writes(SQLiteTransaction):
            """Writes the payload beside the audit row of the duplicate."""

            def _audit(self, *row: Any) -> None:
                super()._audit(*row)
                if str(row[2]) == "duplicate":
                    self._run("UPDATE jobs SET payload = ? WHERE id = ?", options["payload_json"], row[3])

        return super().accept(cast(Store, Transacting(store, Writes)), **options)


def same_payload(queue: Queue) -> Queue:
    """A duplicate of another payload is not noticed."""
    return _with(queue, idempotency=SamePayload())


def last_payload(queue: Queue) -> Queue:
    """A duplicate changes its job."""
    return _with(queue, idempotency=LastPayload())


class OwnAttempts(Retry):
    """Counts against the number of its own, and not against the job's."""

    def bury_if_spent(self, tx: Transaction, last: Execution, *, operation: Operation, actor: str) -> bool:
        """Bury when the attempts of this policy are spent."""
        if last.attempt < self.attempts_max:
            return False
        tx.record(
            event=EventKind.BURIED,
            operation=operation,
            actor=actor,
            job_id=last.job_id,
            reason=Reason.ATTEMPTS_SPENT,
        )
        tx.set_available(last.job_id, None)
        return True


def own_attempts(queue: Queue) -> Queue:
    """The worker's number of attempts counts, and not the job's."""
    retry = queue.policies.retry
    own = OwnAttempts(
        attempts_max=retry.attempts_max,
        backoff_seconds=retry.backoff_seconds,
        backoff_max_seconds=retry.backoff_max_seconds,
        jitter_seed=retry.jitter_seed,
    )
    return _with(queue, retry=own)


class ForgetsTheRest(Reconciliation):
    """Hides the jobs that it found beyond its batch: no lease takes them any more."""

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """End a batch; forget the rest."""
        done = super().run(store, retry, actor)
        if done.finished + done.aborted == self.batch:
            with store.transaction() as tx:
                for execution in tx.expired(self.batch):
                    tx.set_available(execution.job_id, None)
        return done


def forgets_the_rest(queue: Queue) -> Queue:
    """What is beyond the batch is forgotten."""
    return _with(queue, reconcile=ForgetsTheRest(batch=queue.policies.reconcile.batch))


def no_batch(queue: Queue) -> Queue:
    """A run of the reconciliation ends 500 executions, whatever was asked for."""
    return _with(queue, reconcile=Reconciliation())


class NewestFirst(Reconciliation):
    """Of those that have run out it takes the newest."""

    def _expired(self, tx: Transaction, actor: str) -> tuple[Execution, ...]:
        """From the other end."""
        del actor
        return tx.expired(1_000)[-self.batch :]


def newest_first(queue: Queue) -> Queue:
    """The oldest of more than a batch is left for the last."""
    return _with(queue, reconcile=NewestFirst(batch=queue.policies.reconcile.batch))


class AloneWithWorkers(Reconciliation):
    """Looks in one transaction and acts in another, and thinks of no reconciler but itself.

    It leaves a job alone that was leased again in between, or given up by a lease: a worker can do no more to
    an execution whose lease has run out.
    """

    def run(self, store: Store, retry: Retry, actor: str) -> Reconciled:
        """Look; then end what no worker has ended."""
        with store.transaction() as tx:
            found = tx.expired(self.batch)
        if not found:
            return Reconciled(finished=0, aborted=0)
        with store.transaction() as tx:
            for execution in found:
                if execution.status is Status.COMMITTED:
                    self._finish(tx, tx.execution(execution.id), actor)
                elif tx.last_execution(execution.job_id) == tx.execution(execution.id):
                    self._abort(tx, tx.execution(execution.id), retry, actor)
        return Reconciled(finished=0, aborted=len(found))

    def _finish(self, tx: Transaction, left: Execution, actor: str) -> None:
        if left.status is Status.COMMITTED:
            tx.move(
                left,
                to=Status.DONE,
                event=EventKind.FINISHED,
                operation=Operation.RECONCILE,
                actor=actor,
                reason=Reason.ABANDONED,
            )

    def _abort(self, tx: Transaction, left: Execution, retry: Retry, actor: str) -> None:
        if tx.job(left.job_id).available_at is not None:
            tx.move(
                left,
                to=Status.ABORTED,
                event=EventKind.EXPIRED,
                operation=Operation.RECONCILE,
                actor=actor,
            )
            retry.bury_if_spent(tx, left, operation=Operation.RECONCILE, actor=actor)


def alone_with_workers(queue: Queue) -> Queue:
    """Two reconcilers end the same execution."""
    return _with(queue, reconcile=AloneWithWorkers(batch=queue.policies.reconcile.batch))


def _with(queue: Queue, **changes: Any) -> Queue:
    return evolve(queue, policies=evolve(queue.policies, **changes))


CONSTANTS: dict[str, Fault] = {
    "a lease of 30 s": constant_lease,
    "a window of a minute": constant_window,
    "a breaker that opens for 30 s": constant_open_time,
    "a backoff of a second": constant_backoff,
    "a longest backoff of a minute": constant_backoff_max,
    "a breaker that opens for a lease": swapped_times,
    "a reconciliation without a batch": no_batch,
    "a lease in whole seconds": whole_seconds,
    "a lease that is cut off to milliseconds": cut_off,
}
"""A constant, or another setting, in the place of a setting: nothing else with the usual settings."""

OTHERS: dict[str, Fault] = {
    "the worker's number of attempts": own_attempts,
    "a reconciliation that forgets what is beyond its batch": forgets_the_rest,
    "a reconciliation that takes the newest": newest_first,
    "a duplicate of another payload that is not noticed": same_payload,
    "a duplicate that changes the payload of its job": last_payload,
}
"""With the usual settings they break nothing."""
