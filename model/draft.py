"""A transaction of the model while it is being written, and what a database gives to it.

Which ids new rows get, and which jobs a transaction can see while others are open, is not the queue's to
choose: it is given. Without it the model counts ids on, and sees every job, as where transactions exclude
each other.
"""

from attrs import evolve, field, frozen

from model.events import Event, EventKind, Operation, Reason
from model.state import Durable, Execution, Job, Settings
from model.transitions import transition


@frozen(kw_only=True)
class Given:
    """What the database gave to one operation.

    `job`, `execution`: the id of the row that it added. `looks`: for each time that it looked for jobs, those
    that no other open transaction held then and that had something to be done; None: every job.
    `since`: the time, in milliseconds, of the last change to what it touched; None: of the last at all.
    `asked_at`: when it asked the limits, if that was before it read its time.
    """

    job: int | None = None
    execution: int | None = None
    looks: tuple[frozenset[int], ...] | None = None
    since: int | None = None
    asked_at: int | None = None


ALONE = Given()
"""What is given where transactions exclude each other and ids have no gaps."""


@frozen
class Draft:
    """A transaction being written: durable state, events so far, and the time it reads."""

    durable: Durable
    now: int
    settings: Settings
    operation: Operation
    actor: str
    given: Given
    events: list[Event] = field(factory=list)

    def look(self) -> tuple[Job, ...]:
        """The jobs that a lease or a reconciliation sees. A transaction looks for jobs once."""
        jobs = self.durable.jobs
        if self.given.looks is None:
            return jobs
        seen = next(iter(self.given.looks), frozenset())
        return tuple([job for job in jobs if job.id in seen])

    def add_job(self, key: str, attempts_max: int) -> "Draft":
        """With a job that is available now."""
        jobs = self.durable.jobs
        number = self.given.job or max([job.id for job in jobs], default=0) + 1
        new = Job(id=number, key=key, attempts_max=attempts_max, available_at=self.now)
        self.record(EventKind.ENQUEUED, job=number)
        return self.with_(evolve(self.durable, jobs=tuple(sorted([*jobs, new], key=lambda job: job.id))))

    def add_execution(self, job: int, attempt: int, lease_expires_at: int) -> "Draft":
        """With an execution that is leased, and the job hidden until its lease ends.

        Its id is the fencing token: one that is not above those of the job before it is not taken over.
        """
        executions = self.durable.executions
        last = max([one.id for one in self.durable.executions_of(job)], default=0)
        number = self.given.execution or 0
        if number <= last:
            number = max([one.id for one in executions], default=0) + 1
        row = transition(self.operation, None)
        assert row is not None, f"{self.operation} begins no execution"
        new = Execution(
            id=number,
            job=job,
            attempt=attempt,
            worker=self.actor,
            status=row.after,
            lease_expires_at=lease_expires_at,
        )
        self.events.append(
            Event(
                event=row.event,
                operation=self.operation,
                actor=self.actor,
                job=job,
                execution=number,
                after=row.after,
                reason=row.reason,
                at=self.now,
            )
        )
        leased = tuple(sorted([*executions, new], key=lambda one: one.id))
        return self.with_(evolve(self.durable, executions=leased).with_job(job, lease_expires_at))

    def with_(self, durable: Durable) -> "Draft":
        """With another durable state."""
        return evolve(self, durable=durable)

    def record(
        self, event: EventKind, *, job: int, reason: Reason | None = None, execution: int | None = None
    ) -> None:
        """Add an audit row for something that changed no execution."""
        self.events.append(
            Event(
                event=event,
                operation=self.operation,
                actor=self.actor,
                job=job,
                execution=execution,
                reason=reason,
                at=self.now,
            )
        )

    def move(self, execution: Execution, *, lease_expires_at: int | None = None) -> "Draft":
        """With the change that the table has for the operation and the execution's status; its audit row."""
        row = transition(self.operation, execution.status)
        assert row is not None, f"{self.operation} moves no execution that is {execution.status}"
        self.events.append(
            Event(
                event=row.event,
                operation=self.operation,
                actor=self.actor,
                job=execution.job,
                execution=execution.id,
                before=execution.status,
                after=row.after,
                reason=row.reason,
                at=self.now,
            )
        )
        until = execution.lease_expires_at if lease_expires_at is None else lease_expires_at
        changed = evolve(execution, status=row.after, lease_expires_at=until)
        return self.with_(self.durable.with_execution(changed))

    def refuse(self, execution: Execution, reason: Reason) -> "Draft":
        """With a row that says that an operation was refused, and why."""
        self.record(EventKind.REFUSED, job=execution.job, execution=execution.id, reason=reason)
        return self
