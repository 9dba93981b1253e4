"""A difference between the model and the system is described in words, whichever value differs."""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve, fields

from failure_modes.checker.oracle.describe import difference
from model.state import Breaker, Durable, Effect, Execution, Job, Status

JOB = Job(id=1, key="k1", attempts_max=3, available_at=10_000_000_000, timed=False)
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


def test_a_due_time_that_the_model_does_not_give_is_told_in_words() -> None:
    """A job that was never leased has none of its own."""
    told = difference(STATE, evolve(STATE, jobs=(evolve(JOB, timed=True),)))
    assert told == ("job-1 has no due time of its own", "job-1 has a due time of its own")
