"""The operations of the queue, each as one transaction.

The change of an execution by an operation, and the reason to refuse it, are rows of `model.transitions`. This
file has what changes with it: the job's due time, the effect, the limits, and whether the job is buried.
"""

from collections.abc import Callable

from attrs import evolve

from model import limits
from model.draft import Draft
from model.events import EventKind, Failure, Operation, Reason
from model.state import Breaker, Effect, Execution, Job, Status
from model.transitions import Lease, refusal, transition


def enqueue(draft: Draft, key: str, payload: str) -> Draft:
    """Add a job, unless its key has one already."""
    for job in draft.durable.jobs:
        if job.key == key:
            draft.record(EventKind.DUPLICATE, job=job.id)
            return draft
    return draft.add_job(key, payload, draft.settings.attempts_max)


def lease(draft: Draft) -> Draft:
    """Lease the job whose turn it is, if there is one and the limits allow it."""
    settings, durable, now = draft.settings, draft.durable, draft.now
    asked_at = now if draft.visibility.asked_at is None else draft.visibility.asked_at
    if limits.is_open(durable, asked_at):
        return draft
    due = [job for job in draft.visible_jobs() if job.is_due(now)]
    if not limits.has_room(settings, durable, asked_at):
        due = [job for job in due if not job.timed]
    job = min(due, key=_turn, default=None)
    if job is None:
        return draft
    before = durable.executions_of(job.id)
    if before and transition(draft.operation, before[-1].status):
        draft = _expire(draft, before[-1])
        if draft.durable.job(job.id).available_at is None:
            return draft  # buried; the next job is for the next transaction
    draft = draft.with_(limits.probed(settings, draft.durable, now))
    draft = draft.add_execution(job.id, (before[-1].attempt if before else 0) + 1, now + settings.lease_ms)
    if before:
        draft = draft.with_(limits.retried(settings, draft.durable, now))
        if not limits.has_room(settings, draft.durable, now):
            execution = draft.durable.executions_of(job.id)[-1].id
            draft.record(EventKind.EXHAUSTED, job=job.id, execution=execution, reason=Reason.RETRY_BUDGET)
    return draft


def lease_fused(draft: Draft, finished: Execution | None, *, starts: bool) -> Draft:
    """Finish that execution, if there is one; lease the next job; start it if `starts`. One transaction."""
    if finished is not None:
        at = draft.now if draft.visibility.finished_at is None else draft.visibility.finished_at
        before = by_holder(evolve(draft, operation=Operation.FINISH, now=at), finished)
        draft = draft.with_(before.durable)
    draft = lease(draft)
    leased = [event.execution for event in draft.events if event.event == EventKind.LEASED]
    if not starts or not leased or leased[0] is None:
        return draft
    started = by_holder(evolve(draft, operation=Operation.START), draft.durable.execution(leased[0]))
    return draft.with_(started.durable)


def _turn(job: Job) -> tuple[bool, int, int]:
    """Retries first, by their due times; then new jobs, by their ids."""
    return not job.timed, (job.available_at or 0) if job.timed else 0, job.id


def _expire(draft: Draft, stale: Execution) -> Draft:
    return _bury_if_spent(draft.move(stale), stale)


def _bury_if_spent(draft: Draft, last: Execution) -> Draft:
    if last.attempt < draft.durable.job(last.job).attempts_max:
        return draft
    draft.record(EventKind.BURIED, job=last.job, reason=Reason.ATTEMPTS_SPENT)
    return draft.with_(draft.durable.with_job(last.job, None))


def reconcile(draft: Draft) -> Draft:
    """End what dead workers left: the executions that were seen, whose lease has run out, each by its row.

    A run ends `reconcile_batch` of them at most: those whose lease ran out first. It ends them by their ids.
    """
    seen = {job.id for job in draft.visible_jobs()}
    left = [one for one in draft.durable.executions if one.job in seen and _is_left(draft, one)]
    oldest = sorted(left, key=lambda one: (one.lease_expires_at, one.id))[: draft.settings.reconcile_batch]
    for execution in sorted(oldest, key=lambda one: one.id):
        row = transition(draft.operation, execution.status)
        aborted = row is not None and row.after is Status.ABORTED
        draft = _expire(draft, execution) if aborted else draft.move(execution)
    return draft


def _is_left(draft: Draft, execution: Execution) -> bool:
    """True if the operation has a row for the execution, and its lease is as the row requires."""
    row = transition(draft.operation, execution.status)
    return row is not None and (row.lease is not Lease.EXPIRED or execution.lease_expires_at <= draft.now)


def by_holder(draft: Draft, execution: Execution) -> Draft:
    """Do the operation for the worker that holds the execution, or refuse it."""
    reason = _refusal(draft, execution)
    return draft.refuse(execution, reason) if reason else _BY_HOLDER[draft.operation](draft, execution)


def _refusal(draft: Draft, execution: Execution) -> Reason | None:
    if draft.operation is Operation.COMMIT and draft.durable.effects_of(execution.job):
        return Reason.ALREADY_COMMITTED
    return refusal(draft.operation, execution, draft.now)


def _start(draft: Draft, execution: Execution) -> Draft:
    return draft.move(execution)


def _heartbeat(draft: Draft, execution: Execution) -> Draft:
    until = draft.now + draft.settings.lease_ms
    draft = draft.move(execution, lease_expires_at=until)
    return draft.with_(draft.durable.with_job(execution.job, until))


def _commit(draft: Draft, execution: Execution) -> Draft:
    payload = str(draft.durable.job(execution.job).payload)
    effect = Effect(job=execution.job, execution=execution.id, value=payload)
    effects = sorted([*draft.durable.effects, effect], key=lambda one: one.execution)
    draft = draft.with_(evolve(draft.durable, effects=tuple(effects))).move(execution)
    return draft.with_(draft.durable.with_job(execution.job, None))


def _finish(draft: Draft, execution: Execution) -> Draft:
    draft = draft.move(execution)
    breaker = draft.durable.breaker
    if breaker.open_until_at is not None:
        draft.record(EventKind.CLOSED, job=execution.job, execution=execution.id)
    return draft.with_(evolve(draft.durable, breaker=Breaker())) if breaker.failures else draft


def _fail(draft: Draft, execution: Execution) -> Draft:
    draft = draft.move(execution)
    due_at = draft.now + limits.wait_ms(draft.settings, execution)
    draft = draft.with_(draft.durable.with_job(execution.job, due_at))
    if draft.failure is Failure.RELEASED:  # the handler has not failed, so the breaker does not count it
        return _bury_if_spent(draft, execution)
    durable, opens = limits.failed(draft.settings, draft.durable, draft.now)
    draft = draft.with_(durable)
    if opens:
        draft.record(EventKind.OPENED, job=execution.job, execution=execution.id)
    return _bury_if_spent(draft, execution)


_BY_HOLDER: dict[Operation, Callable[[Draft, Execution], Draft]] = {
    Operation.START: _start,
    Operation.HEARTBEAT: _heartbeat,
    Operation.COMMIT: _commit,
    Operation.FINISH: _finish,
    Operation.FAIL: _fail,
}
