"""The abstraction function: reads the rows of the store as values of the model, without interpretation."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import evolve, fields

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.gateway import CHARGES, Gateway
from failure_modes.checker.simulation.stepping import Row
from failure_modes.checker.subject.handler import HandlerFailed
from model import answers, state
from model.answers import Answer
from model.events import Event, Operation
from system.policies.idempotency import Accepted
from system.policies.lease import Lease
from system.policies.reconcile import Reconciled
from system.rows import (
    EFFECT_FIELDS,
    EXECUTION_FIELDS,
    JOB_FIELDS,
    read_breaker,
    read_effect,
    read_execution,
    read_job,
    read_retries,
)
from system.store import AuditRow, Breaker, Effect, Execution, Job, Store

_RAISED = f"{HandlerFailed.__name__}: "
"""What the queue puts before the text of the failure."""

ROWS_MAX = 100_000
"""Rows whose values are kept in memory."""

_COUNTED = tuple([field.name for field in fields(answers.Counts)])


def read(
    store: Store, gateway: Gateway | None, *, cursor: "AuditCursor"
) -> tuple[state.Durable, tuple[Event, ...]]:
    """The rows of the store, and the audit rows that the cursor has not read yet."""
    return read_rows(store, gateway), cursor.new(store)


def read_rows(store: Store, gateway: Gateway | None) -> state.Durable:
    """The rows of the store and of the gateway."""
    return state.Durable(
        jobs=tuple([_job(job) for job in store.jobs()]),
        executions=tuple([_execution(execution) for execution in store.executions()]),
        effects=_by_execution(tuple([_effect(effect) for effect in store.effects()])),
        retries=store.retries(),
        breaker=_breaker(store.breaker()),
        charges=tuple([value for _, _, value in gateway.rows()]) if gateway else (),
    )


class ContentReader:
    """Gives the rows of a content as `read_rows` does, without a second read. It converts each row once."""

    def __init__(self, columns: dict[str, tuple[str, ...]]) -> None:
        """`columns` are those of each table of the content."""
        self._pick = {
            table: _in_order(columns[table], names)
            for table, (names, _) in _RECORDS.items()
            if table in columns
        }
        self._begun_at = columns["retries"].index("begun_at")
        self._limits = _in_order(columns["breaker"], ("failures", "open_until_at"))
        self._known: dict[tuple[str, Row], Any] = {}

    def durable(self, content: Content) -> state.Durable:
        """The rows of the content."""
        if len(self._known) > ROWS_MAX:
            self._known.clear()
        tables = dict(content)
        retries = sorted([(row[self._begun_at], row[0]) for row in tables["retries"]])
        return state.Durable(
            jobs=self._values("jobs", tables),
            executions=self._values("executions", tables),
            effects=_by_execution(self._values("effects", tables)),
            retries=read_retries([(begun_at,) for begun_at, _ in retries]),
            breaker=_breaker(read_breaker([self._limits(row) for row in tables["breaker"]])),
            charges=tuple([value for _, _, value in tables.get(CHARGES, ())]),
        )

    def _values(self, table: str, tables: dict[str, tuple[Row, ...]]) -> tuple[Any, ...]:
        known, found = self._known, []
        for row in tables[table]:
            value = known.get((table, row))
            if value is None:
                value = known[table, row] = _RECORDS[table][1](self._pick[table](row))
            found.append(value)
        return tuple(found)


def _in_order(columns: tuple[str, ...], wanted: tuple[str, ...]) -> Callable[[Row], Row]:
    """Takes the wanted columns out of a row, in the wanted order."""
    places = [columns.index(name) for name in wanted]
    return lambda row: tuple([row[place] for place in places])


class AuditCursor:
    """Knows which audit rows were read."""

    def __init__(self, after: int = 0, *, in_order: bool = True) -> None:
        """The rows up to the id `after` were read. `in_order`: no later row has a lower id."""
        self._after = after
        self._in_order = in_order
        self._above: set[int] = set()

    def new(self, store: Store) -> tuple[Event, ...]:
        """The rows that were not read yet, in the order of their ids."""
        rows = [row for row in store.audit(after=self._after) if row.id not in self._above]
        if self._in_order and rows:
            self._after = rows[-1].id
        elif rows:
            self._above.update([row.id for row in rows])
        return tuple([_event(row) for row in rows])


def same_history(one: tuple[Event, ...], other: tuple[Event, ...], *, in_order: bool) -> bool:
    """True if both have the same events; `in_order`: also in the same order."""
    return one == other if in_order else Counter(one) == Counter(other)


def read_answer(operation: str, value: Any) -> Answer | None:
    """What the queue answered, as the model says it. None for what is no operation."""
    match operation, value:
        case "accept", Accepted():
            existed, same = value.existed, value.same_payload
            answer = answers.Accepted(job=value.job.id, existed=existed, same_payload=same)
            return Answer(Operation.ENQUEUE, answer)
        case "lease" | "take_next", Lease():
            execution = _execution(value.execution)
            return Answer(Operation.LEASE, evolve(execution, job=value.job.id))
        case "reconcile", Reconciled():
            ended = answers.Reconciled(finished=value.finished, aborted=value.aborted)
            return Answer(Operation.RECONCILE, ended)
        case "commit_json", _:
            return Answer(Operation.COMMIT, value)
        case "take_next", _:
            return Answer(Operation.LEASE, value)
        case "lease" | "start" | "heartbeat" | "finish" | "fail", _:
            return Answer(Operation(operation), value)
    return None


def read_counts(store: Store) -> answers.Counts:
    """What `status` counts."""
    counts = store.counts()
    return answers.Counts(**{name: getattr(counts, name) for name in _COUNTED})


def read_statuses(store: Store) -> answers.Statuses:
    """What `status` says of each job, and of the jobs that were given up."""
    jobs = [_status(store, job.id) for job in store.jobs()]
    given_up = [status.job.id for status in store.given_up(ROWS_MAX)]
    return answers.Statuses(jobs=tuple(jobs), given_up=tuple(given_up))


def _status(store: Store, job_id: int) -> answers.JobStatus:
    status = store.status(job_id)
    assert status is not None, "a job that is there has a status"
    whole = [row for row in store.audit() if row.job_id == job_id]
    return answers.JobStatus(
        job=_job(status.job),
        state=state.JobState(status.state.value),
        attempts=status.attempts,
        effect=None if status.effect_json is None else json.loads(status.effect_json),
        why=None if status.why is None else status.why.removeprefix(_RAISED),
        history=list(store.audit(job_id=job_id)) == whole,
    )


def _by_execution(effects: tuple[state.Effect, ...]) -> tuple[state.Effect, ...]:
    return tuple(sorted(effects, key=lambda effect: effect.execution))


def _breaker(breaker: Breaker) -> state.Breaker:
    return state.Breaker(failures=breaker.failures, open_until_at=breaker.open_until_at)


def _job(job: Job) -> state.Job:
    return state.Job(
        id=job.id,
        key=job.key,
        payload=job.payload,
        attempts_max=job.attempts_max,
        enqueued_at=job.enqueued_at,
        available_at=job.available_at,
        timed=job.timed,
    )


def _execution(execution: Execution) -> state.Execution:
    return state.Execution(
        id=execution.id,
        job=execution.job_id,
        attempt=execution.attempt,
        worker=execution.worker,
        status=state.Status(execution.status.value),
        lease_expires_at=execution.lease_expires_at,
    )


def _effect(effect: Effect) -> state.Effect:
    return state.Effect(job=effect.job_id, execution=effect.execution_id, value=json.loads(effect.value))


def _columns(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([name.replace("payload_json", "payload") for name in names])


_RECORDS: dict[str, tuple[tuple[str, ...], Callable[[Row], Any]]] = {
    "jobs": (_columns(JOB_FIELDS), lambda row: _job(read_job(row))),
    "executions": (EXECUTION_FIELDS, lambda row: _execution(read_execution(row))),
    "effects": (EFFECT_FIELDS, lambda row: _effect(read_effect(row))),
}
"""For each table the columns of a record, in its order, and what makes a value of the model of them."""


def _event(row: AuditRow) -> Event:
    return Event(
        event=row.event,
        operation=row.operation,
        actor=row.actor,
        job=row.job_id,
        execution=row.execution_id,
        before=None if row.before is None else state.Status(row.before.value),
        after=None if row.after is None else state.Status(row.after.value),
        reason=row.reason,
        detail=None if row.detail is None else row.detail.removeprefix(_RAISED),
        at=row.at,
    )
