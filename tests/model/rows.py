"""Rows to make durable states of, right and wrong: one job, one execution, one effect."""

from attrs import evolve

from model.events import Event
from model.state import Durable, Effect, Execution, Job, Status

AT = 10_000
EXPIRES = 30_000
JOB = Job(id=1, key="k1", payload="k1", attempts_max=3, enqueued_at=0, available_at=None)
EXEC = Execution(id=1, job=1, attempt=1, worker="A", status=Status.LEASED, lease_expires_at=EXPIRES)
COMMITTED = evolve(EXEC, status=Status.COMMITTED)
DONE = evolve(EXEC, status=Status.DONE)
ABORTED = evolve(EXEC, status=Status.ABORTED)
RUNNING = evolve(EXEC, status=Status.IN_PROGRESS)
EFFECT = Effect(job=1, execution=1, value="k1")
SPENT = evolve(JOB, attempts_max=1)


def rows(*values: Job | Execution | Effect) -> Durable:
    """A durable state of these rows, and of job 1 if no job is among them."""
    jobs = tuple([value for value in values if isinstance(value, Job)])
    return Durable(
        jobs=jobs or (JOB,),
        executions=tuple([value for value in values if isinstance(value, Execution)]),
        effects=tuple([value for value in values if isinstance(value, Effect)]),
    )


def audit(event: str, operation: str, before: Status | None, after: Status | None, actor: str = "A") -> Event:
    """The audit row of a change of execution 1."""
    return Event(
        event=event, operation=operation, actor=actor, job=1, execution=1, before=before, after=after
    )
