"""The queue: enqueue, lease, start, heartbeat, commit, finish, fail, reconcile. One transaction each.

`take_next` joins three of them in one transaction: finish one job, lease the next, and start it.

The policies decide what may be done; this file puts them in order. An operation that is refused returns
False and writes an audit row that says why.
"""

import json
import re
from collections.abc import Callable

from attrs import evolve, field, frozen

from system.audit import EventKind, Operation, Reason
from system.joined import Joined
from system.policies import Policies
from system.policies.fence import found, refuse
from system.policies.idempotency import Accepted
from system.policies.lease import Lease
from system.policies.reconcile import Reconciled
from system.settings import seconds
from system.store import Execution, Job, Status, Store, Transaction

DEPTH_MAX = 500
"""The deepest nesting of lists and objects. Python's own limit is not much higher, and a handler must be able
to read each payload with the part of the limit that is left to it."""
DIGITS_MAX = 4_300
"""Digits of a whole number: by default Python reads no more."""
TEXT_MAX = 100_000_000
"""Characters of the JSON text of a payload or an effect: every database can keep so many."""
KEY_MAX = 10_000
"""Characters of an idempotency key."""
_TOO_LARGE = 10**DIGITS_MAX
_TOO_MANY_DIGITS = f"a whole number of more than {DIGITS_MAX:,} digits"
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class InvalidJob(ValueError):
    """The payload or the key cannot be kept unchanged. The message says why."""


@frozen(kw_only=True)
class Queue:
    """A queue over a store. `lease_seconds` is the visibility timeout."""

    store: Store
    policies: Policies = field(factory=Policies)
    lease_seconds: float = field(default=30.0, validator=seconds())

    def enqueue(self, payload: object, *, key: str | None = None, actor: str = "producer") -> Job:
        """Accept a job, or return the job that its idempotency key already has. Raises InvalidJob."""
        return self.accept(payload, key=key, actor=actor).job

    def accept(self, payload: object, *, key: str | None = None, actor: str = "producer") -> Accepted:
        """Accept a job as `enqueue` does; the answer says if it existed already. Raises InvalidJob."""
        text = to_json(payload)
        if key is not None:
            check_key(key)
        return self.policies.idempotency.accept(
            self.store,
            key=key,
            payload_json=text,
            attempts_max=self.policies.retry.attempts_max,
            actor=actor,
        )

    def lease(self, worker: str) -> Lease | None:
        """Lease the next job; None if no job is due.

        The next job is the retry that has been due longest, else the new job that was enqueued first. A job
        whose lease ran out is due again: its stale execution is aborted in the same transaction.
        """
        return self.policies.lease.lease(self.store, self.policies, worker, self._lease_ms)

    def start(self, held: Execution) -> bool:
        """Record that the handler begins. False when the lease is gone. `held` is a lease's execution."""
        with self.store.transaction() as tx:
            return self._start(tx, held)

    def take_next(
        self,
        worker: str,
        *,
        finishing: Execution | None = None,
        finished: Callable[[], None] = lambda: None,
    ) -> Lease | None:
        """Finish that execution, lease the next job, and start it. None if no job is due.

        It does what `finish`, `lease` and `start` do, with the same audit rows, in one transaction: one wait
        for the disk. If the lease buries a job or sets it aside, another transaction looks for the next job;
        `finished` is called before it, since a caller that gets no reply from it need not finish again.
        """
        while True:
            with Joined(self.store, committed=finished) as joined:
                if finishing is not None:
                    self._finish(joined.tx, finishing)
                    finishing = None
                lease = self.policies.lease.lease(joined.store, self.policies, worker, self._lease_ms)
                if lease is None:
                    return None
                if self._start(joined.tx, lease.execution):
                    started = evolve(lease.execution, status=Status.IN_PROGRESS)
                    return Lease(job=lease.job, execution=started)
            finished()

    def heartbeat(self, held: Execution) -> bool:
        """Extend the lease to a full one from now. False when it is gone: then stop working."""
        with self.store.transaction() as tx:
            execution = found(tx, held, Operation.HEARTBEAT)
            if execution is None or self._refused(tx, execution, Operation.HEARTBEAT):
                return False
            until = tx.now + self._lease_ms
            tx.move(
                execution,
                to=execution.status,
                event=EventKind.EXTENDED,
                operation=Operation.HEARTBEAT,
                actor=execution.worker,
                lease_expires_at=until,
            )
            tx.set_available(execution.job_id, until)
            return True

    def commit(self, held: Execution, value: object) -> bool:
        """Write the effect and the COMMITTED record in one transaction. False when refused."""
        return self.commit_json(held, to_json(value))

    def commit_json(self, held: Execution, value: str) -> bool:
        """Commit a value that is JSON text already."""
        return self.policies.commit.commit(self.store, self.policies.fence, held, value)

    def finish(self, held: Execution) -> bool:
        """Record that a committed execution is done. False when reconciliation was first."""
        with self.store.transaction() as tx:
            return self._finish(tx, held)

    def fail(self, held: Execution, *, detail: str, by_handler: bool = True) -> bool:
        """End the attempt: the job waits out its backoff, or is buried. False when the lease is gone.

        `by_handler` is False when the worker released the job: then the circuit breaker does not count it.
        """
        with self.store.transaction() as tx:
            execution = found(tx, held, Operation.FAIL)
            if execution is None:
                return False
            if by_handler:
                self.policies.breaker.hold(tx)
            if self._refused(tx, execution, Operation.FAIL):
                return False
            tx.move(
                execution,
                to=Status.ABORTED,
                event=EventKind.FAILED,
                operation=Operation.FAIL,
                actor=execution.worker,
                reason=Reason.HANDLER_FAILED,
                detail=detail,
            )
            retry = self.policies.retry
            tx.set_available(execution.job_id, tx.now + retry.wait_ms(execution))
            if by_handler:
                self.policies.breaker.failed(tx, execution)
            retry.bury_if_spent(tx, execution, operation=Operation.FAIL, actor=execution.worker)
            return True

    def reconcile(self, *, actor: str = "reconciler") -> Reconciled:
        """End the executions that dead workers left, one batch at most."""
        return self.policies.reconcile.run(self.store, self.policies.retry, actor)

    def external_key(self, lease: Lease) -> str:
        """The idempotency key that a handler sends to other systems, for its job."""
        return self.policies.external.key(lease)

    @property
    def _lease_ms(self) -> int:
        return round(self.lease_seconds * 1000)

    def _start(self, tx: Transaction, held: Execution) -> bool:
        execution = found(tx, held, Operation.START)
        if execution is None or self._refused(tx, execution, Operation.START):
            return False
        if execution.status is not Status.LEASED:
            refuse(tx, execution, Operation.START, Reason.ALREADY_STARTED)
            return False
        tx.move(
            execution,
            to=Status.IN_PROGRESS,
            event=EventKind.STARTED,
            operation=Operation.START,
            actor=execution.worker,
        )
        return True

    def _finish(self, tx: Transaction, held: Execution) -> bool:
        execution = found(tx, held, Operation.FINISH)
        if execution is None:
            return False
        self.policies.breaker.hold(tx)
        if execution.status is not Status.COMMITTED:
            refuse(tx, execution, Operation.FINISH, Reason.ALREADY_FINISHED)
            return False
        tx.move(
            execution,
            to=Status.DONE,
            event=EventKind.FINISHED,
            operation=Operation.FINISH,
            actor=execution.worker,
        )
        self.policies.breaker.finished(tx, execution)
        return True

    def _refused(self, tx: Transaction, execution: Execution, operation: Operation) -> bool:
        reason = self.policies.fence.refusal(execution, tx.now)
        if reason:
            refuse(tx, execution, operation, reason)
        return reason is not None


def to_json(value: object) -> str:
    """JSON text in plain ASCII that is read back unchanged; a tuple becomes a list. Raises InvalidJob."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        _check_kept(value)
    except RecursionError as error:
        raise InvalidJob(f"not JSON: nested more than {DEPTH_MAX} deep") from error
    except (TypeError, ValueError) as error:
        python_says = str(error).startswith("Exceeds the limit")
        raise InvalidJob(f"not JSON: {_TOO_MANY_DIGITS if python_says else error}") from error
    if len(text) > TEXT_MAX:
        raise InvalidJob(f"JSON text of {len(text):,} characters, and {TEXT_MAX:,} are the most")
    return text


def _check_kept(value: object) -> None:
    """Raise for a value that `json.dumps` accepts and a reader does not get back unchanged."""
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        below: list[object] = []
        flat = True
        for item in level:
            if isinstance(item, str):
                if not item.isascii() and _SURROGATES.search(item):
                    raise ValueError("a high and a low surrogate in text are read back as one character")
            elif isinstance(item, dict):
                flat = False
                for name in item:
                    if not isinstance(name, str):
                        raise TypeError(f"the name {name!r} in an object is not text")
                below += item.keys()
                below += item.values()
            elif isinstance(item, int) and not -_TOO_LARGE < item < _TOO_LARGE:
                raise ValueError(_TOO_MANY_DIGITS)
            elif isinstance(item, list | tuple):
                flat = False
                below += item
        if flat:
            return
        level = below
    raise ValueError(f"nested more than {DEPTH_MAX} deep")


def check_key(key: str) -> None:
    """Raise InvalidJob if this cannot be an idempotency key."""
    if not key:
        raise InvalidJob("the idempotency key is empty")
    if len(key) > KEY_MAX:
        raise InvalidJob(f"the idempotency key has {len(key):,} characters, and {KEY_MAX:,} are the most")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidJob(f"the idempotency key is not valid Unicode: {error.reason}") from error
