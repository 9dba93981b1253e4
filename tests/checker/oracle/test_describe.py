"""A difference between the model and the system is described in words, whichever value differs."""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve, fields

from failure_modes.checker.oracle.describe import (
    changes,
    contrast,
    describe,
    describe_answer,
    difference,
    steps_described,
)
from model.answers import Answer
from model.events import Event, EventKind, Operation
from model.state import Breaker, Durable, Effect, Execution, Job, Status

JOB = Job(
    id=1, key="k1", payload="k1", attempts_max=3, enqueued_at=0, available_at=10_000_000_000, timed=False
)
EXECUTION = Execution(
    id=1, job=1, attempt=1, worker="A", status=Status.LEASED, lease_expires_at=10_000_000_000
)
EFFECT = Effect(job=1, execution=1, value="k1")
STATE = Durable(
    jobs=(JOB,),
    executions=(EXECUTION,),
    effects=(EFFECT,),
    charges=("k1",),
    retries=(10_000_000_000,),
    breaker=Breaker(failures=1, open_until_at=10_000_000_000),
)


def _another(value: Any) -> Any:
    """The nearest other value."""
    if isinstance(value, Status):
        return Status.IN_PROGRESS
    return not value if isinstance(value, bool) else value + (1 if isinstance(value, int) else "x")


def _changed(row: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(type(row)):
        yield (
            f"{type(row).__name__}.{field.name}",
            evolve(row, **{field.name: _another(getattr(row, field.name))}),
        )


OTHERS = {
    **{name: evolve(STATE, jobs=(job,)) for name, job in _changed(JOB)},
    **{name: evolve(STATE, executions=(one,)) for name, one in _changed(EXECUTION)},
    **{name: evolve(STATE, effects=(effect,)) for name, effect in _changed(EFFECT)},
    **{name: evolve(STATE, breaker=breaker) for name, breaker in _changed(STATE.breaker)},
    "a charge": evolve(STATE, charges=("k2",)),
    "a retry": evolve(STATE, retries=(10_000_000_001,)),
    "no effect": evolve(STATE, effects=()),
}


@pytest.mark.parametrize("name", OTHERS)
def test_each_difference_is_described(name: str) -> None:
    """However small, and at whatever time: the two descriptions are not the same."""
    expected, got = difference(STATE, OTHERS[name])
    assert expected != got


def test_a_difference_names_the_value_once() -> None:
    """The line says which value differs, and what it is in the model and in the system."""
    found = difference(STATE, evolve(STATE, jobs=(evolve(JOB, available_at=None),)))
    assert found == ("job-1.available_at is 10000000 s", "job-1.available_at is None")
    assert contrast(*found) == "job-1.available_at is 10000000 s in the model, None in the system"


def test_a_row_that_only_one_side_has_is_missing_in_the_other() -> None:
    """The row is named, and not one of its values."""
    found = difference(STATE, evolve(STATE, effects=()))
    assert contrast(*found) == "effect-1 is present in the model, missing in the system"


def test_a_difference_without_a_common_name_is_said_in_full() -> None:
    """Two operations have no name in common."""
    assert contrast("commit exec-1", "nothing") == "commit exec-1 in the model, nothing in the system"


def test_a_change_of_the_breaker_says_where_it_is() -> None:
    """Closed or open until when, and the failures in a row."""
    closed = evolve(STATE, breaker=Breaker(failures=2))
    assert changes(STATE, closed) == "breaker: closed, 2 failed in a row"
    assert changes(closed, STATE) == "breaker: open to 1e+07s, 1 failed in a row"


def test_a_lease_without_a_job_says_so() -> None:
    """Any other answer is described by its value."""
    lease, fence = Answer(Operation.LEASE, None), Answer(Operation.HEARTBEAT, True)
    assert (describe_answer(lease), describe_answer(fence)) == ("no job", "true")


def test_one_step_is_no_steps() -> None:
    """A number of steps is said in English."""
    assert [steps_described(number) for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


EVENTS = {
    EventKind.ENQUEUED: "job-1",
    EventKind.DUPLICATE: "duplicate of job-1",
    EventKind.REFUSED: "refused (no reason given)",
    EventKind.EXHAUSTED: "retry budget spent",
    EventKind.OPENED: "breaker opened",
    EventKind.CLOSED: "breaker closed",
    EventKind.BURIED: "bury job-1",
    EventKind.LEASED: "lease exec-2",
    EventKind.STARTED: "start exec-2",
    EventKind.EXTENDED: "extend exec-2",
    EventKind.COMMITTED: "commit exec-2",
    EventKind.FINISHED: "finish exec-2",
    EventKind.FAILED: "fail exec-2",
    EventKind.EXPIRED: "expire exec-2",
    EventKind.SET_ASIDE: "set_aside exec-2",
}


@pytest.mark.parametrize("kind", EventKind)
def test_each_kind_of_event_has_its_words(kind: EventKind) -> None:
    """A reader sees what a transaction did, and to which job or execution."""
    event = Event(event=kind, operation="an operation", actor="A", job=1, execution=2)
    assert describe((event,)) == EVENTS[kind]
    assert describe((event, event)) == f"{EVENTS[kind]}, {EVENTS[kind]}"
    assert describe(()) == "nothing"
