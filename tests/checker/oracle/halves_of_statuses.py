"""The halves of the comparison of what `status` says of a job, each with a mistake in its query."""

from typing import Any

import pytest
from attrs import evolve, fields

from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.oracle.reference import Reference
from model.actions import Action, TimeOut
from model.answers import JobStatus, Statuses, statuses
from model.events import Event
from model.state import Settings
from system.sql import SQLReads, reads
from tests.checker.oracle.halves import DIES, FAIL, K1, LEASE_ENDS, A, Half, Patch

OF_JOB = tuple([field.name for field in fields(JobStatus)])
AGAIN = (K1, A, DIES, LEASE_ENDS, A)


def _asks(right: str, wrong: str) -> Patch:
    """The query for the status of a job has other words in one place."""
    query = vars(reads)["_STATUS"]
    assert right in query
    return lambda monkeypatch: monkeypatch.setattr(reads, "_STATUS", query.replace(right, wrong, 1))


def _reads(name: str, change: Any) -> Patch:
    """A read of the store gives something else, where `change` says so."""
    usual: Any = getattr(SQLReads, name)
    return lambda monkeypatch: monkeypatch.setattr(
        SQLReads, name, lambda self, *values, **named: change(usual(self, *values, **named), **named)
    )


def _without(name: str) -> Patch:
    """The comparison without one of the parts: it is as the model has it."""
    usual: Any = Reference.statuses_difference

    def difference(self: Reference, said: Statuses, events: tuple[Event, ...], **options: Any) -> Any:
        assert self.state is not None
        expected = statuses(self.state.durable, events)
        if name == "given_up":
            return usual(self, evolve(said, given_up=expected.given_up), events, **options)
        same = [
            evolve(one, **{name: getattr(other, name)})
            for one, other in zip(said.jobs, expected.jobs, strict=True)
        ]
        return usual(self, evolve(said, jobs=tuple(same)), events, **options)

    def blind(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Reference, "statuses_difference", difference)

    return blind


def _half(name: str, breakage: str, plant: Patch, *actions: Action, scope: Scope | None = None) -> Half:
    return Half(
        oracle="lock-step, status of a job",
        half=name,
        breakage=breakage,
        plant=plant,
        actions=actions,
        scope=scope or Scope(),
        ending=True,
        blind=_without(name),
        sees=f"status.{name}" if name == "given_up" else f".{name}",
    )


STATUSES = (
    _half(
        "job", "the due time is that of the enqueue", _asks("jobs.available_at", "jobs.enqueued_at"), K1, A
    ),
    _half(
        "state",
        "a committed job that is not finished counts as FAILED",
        _asks("'RUNNING'", "CASE WHEN jobs.available_at IS NULL THEN 'FAILED' ELSE 'RUNNING' END"),
        *(K1, A, A, A),
    ),
    _half(
        "attempts",
        "attempts that were aborted do not count",
        _asks("e WHERE e.job_id = jobs.id),", "e WHERE e.job_id = jobs.id AND e.status <> 'ABORTED'),"),
        *AGAIN,
    ),
    _half(
        "effect",
        "the effect is sought by the number of the execution",
        _asks("effects.job_id = jobs.id", "effects.execution_id = jobs.id"),
        *(*AGAIN, A, A),
    ),
    _half(
        "why",
        "the first failure is told, and not the last",
        _asks("ORDER BY audit.id DESC", "ORDER BY audit.id"),
        *(K1, A, A, FAIL, LEASE_ENDS, A, A, TimeOut(worker="A")),
    ),
    _half(
        "history",
        "the history of a job has only what is of an execution",
        _reads("audit", lambda rows, job_id=None, **_: [r for r in rows if job_id is None or r.execution_id]),
        K1,
    ),
    _half(
        "given_up",
        "a job that was given up is not listed",
        _reads("given_up", lambda jobs: jobs[1:]),
        *(K1, A, A, FAIL),
        scope=Scope(settings=Settings(attempts_max=1)),
    ),
)
