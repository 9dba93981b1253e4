"""The abstraction function: the store's rows, read as the model's values.

Identifiers are renamed by rank, since a database may leave gaps; nothing else is interpreted.
"""

import json
from collections.abc import Iterable

from attrs import frozen

from failure_modes.checker.gateway import Gateway
from model import state
from model.events import Event
from system.store import AuditRow, Effect, Execution, Job, Store

Ranks = dict[int, int]


@frozen
class Rows:
    """The store's rows as the model's durable state, and the rank of each id."""

    durable: state.Durable
    jobs: Ranks
    executions: Ranks


def read(
    store: Store, gateway: Gateway | None, *, after: int, known: Rows | None = None
) -> tuple[Rows, tuple[Event, ...], int]:
    """The store's rows, its audit rows past the id `after`, and the last id read.

    `known` are the rows, where they were read before.
    """
    rows = known or _rows(store, gateway)
    told = tuple(store.audit(after=after))
    events = tuple([_event(row, rows.jobs, rows.executions) for row in told])
    return rows, events, told[-1].id if told else after


def _rows(store: Store, gateway: Gateway | None) -> Rows:
    jobs, executions = store.jobs(), store.executions()
    rank = _ranks(job.id for job in jobs), _ranks(execution.id for execution in executions)
    breaker = store.breaker()
    durable = state.Durable(
        jobs=tuple([_job(job, *rank) for job in jobs]),
        executions=tuple([_execution(execution, *rank) for execution in executions]),
        effects=tuple([_effect(effect, *rank) for effect in store.effects()]),
        retries=store.retries(),
        breaker=state.Breaker(failures=breaker.failures, open_until_at=breaker.open_until_at),
        charges=tuple([value for _, _, value in gateway.rows()]) if gateway else (),
    )
    return Rows(durable, *rank)


def _job(job: Job, jobs: Ranks, _: Ranks) -> state.Job:
    return state.Job(
        id=jobs[job.id], key=job.key, attempts_max=job.attempts_max, available_at=job.available_at
    )


def _execution(execution: Execution, jobs: Ranks, executions: Ranks) -> state.Execution:
    return state.Execution(
        id=executions[execution.id],
        job=jobs[execution.job_id],
        attempt=execution.attempt,
        worker=execution.worker,
        status=state.Status(execution.status.value),
        lease_expires_at=execution.lease_expires_at,
    )


def _effect(effect: Effect, jobs: Ranks, executions: Ranks) -> state.Effect:
    return state.Effect(
        job=jobs[effect.job_id], execution=executions[effect.execution_id], value=json.loads(effect.value)
    )


def _event(row: AuditRow, jobs: Ranks, executions: Ranks) -> Event:
    return Event(
        event=row.event,
        operation=row.operation,
        actor=row.actor,
        job=jobs[row.job_id],
        execution=None if row.execution_id is None else executions[row.execution_id],
        before=None if row.before is None else state.Status(row.before.value),
        after=None if row.after is None else state.Status(row.after.value),
        reason=row.reason,
        at=row.at,
    )


def _ranks(ids: Iterable[int]) -> Ranks:
    return {row_id: rank for rank, row_id in enumerate(ids, start=1)}
