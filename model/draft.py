"""A transaction of the model while it is written, and what the database chose for it.

The database, not the queue, chooses the ids of new rows, and which jobs a transaction sees while others are
open. Without such a choice the model gives the next id and sees every job, as in a database in which
transactions exclude each other.
"""

from attrs import evolve, field, frozen

from model.events import Event, EventKind, Failure, Operation, Reason
from model.state import Durable, Execution, Job, Settings
from model.transitions import transition


@frozen(kw_only=True)
class Visibility:
    """The choices of the database for one operation.

    - `job`, `execution`: the id of the row that the operation added.
    - `jobs_seen`: when it looked for jobs, those that had something to do and that no other open transaction
      held. None: every job.
    - `executions_seen`: the executions that were there when it looked for its own. None: all that are there.
    - `since`: the time, in milliseconds, of the last change to the rows that it touched. None: of any change.
    - `locked_at`: the time, in milliseconds, at which it got the last lock that it waited for. None: it did
      not wait, or no time had passed since it began.
    - `locked_before_writes_at`: the same for the locks that it got before it first wrote. A fused operation
      finished its execution after these.
    - `asked_at`: the time at which it read the limits, if that was before it read its own time.
    - `finished_at`: the time at which a fused operation finished its execution, if that was before it read
      its own time.
    """

    job: int | None = None
    execution: int | None = None
    jobs_seen: frozenset[int] | None = None
    executions_seen: frozenset[int] | None = None
    since: int | None = None
    locked_at: int | None = None
    locked_before_writes_at: int | None = None
    asked_at: int | None = None
    finished_at: int | None = None


SERIAL = Visibility()
"""The choice of a database in which transactions exclude each other and ids have no gaps."""


@frozen
class Draft:
    """A transaction that is being written: durable state, events so far, and the time that it read."""

    durable: Durable
    now: int
    settings: Settings
    operation: Operation
    actor: str
    visibility: Visibility
    failure: Failure | None = None
    """What the handler raised, if it did."""
    events: list[Event] = field(factory=list)

    def visible_jobs(self) -> tuple[Job, ...]:
        """The jobs that a lease or a reconciliation sees. A transaction looks for jobs once."""
        jobs = self.durable.jobs
        seen = self.visibility.jobs_seen
        if seen is None:
            return jobs
        return tuple([job for job in jobs if job.id in seen])

    def add_job(self, key: str, payload: str, attempts_max: int) -> "Draft":
        """The draft with one more job, which is due now."""
        jobs = self.durable.jobs
        number = self.visibility.job or max([job.id for job in jobs], default=0) + 1
        new = Job(
            id=number,
            key=key,
            payload=payload,
            attempts_max=attempts_max,
            enqueued_at=self.now,
            available_at=self.now,
        )
        self.record(EventKind.ENQUEUED, job=number)
        return self.with_(evolve(self.durable, jobs=tuple(sorted([*jobs, new], key=lambda job: job.id))))

    def add_execution(self, job: int, attempt: int, lease_expires_at: int) -> "Draft":
        """The draft with one more execution, which is leased; its job is hidden until the lease ends.

        The id is the fencing token, so an id that is not above those of the job's earlier executions is not
        used.
        """
        executions = self.durable.executions
        last = max([one.id for one in self.durable.executions_of(job)], default=0)
        number = self.visibility.execution or 0
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
        """The draft with another durable state."""
        return Draft(
            durable,
            self.now,
            self.settings,
            self.operation,
            self.actor,
            self.visibility,
            self.failure,
            self.events,
        )

    def record(
        self, event: EventKind, *, job: int, reason: Reason | None = None, execution: int | None = None
    ) -> None:
        """Add an audit row that changes no execution."""
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
        """The draft with the change that the table has for this operation and status, and its audit row."""
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
                detail=self.failure,
                at=self.now,
            )
        )
        until = execution.lease_expires_at if lease_expires_at is None else lease_expires_at
        changed = evolve(execution, status=row.after, lease_expires_at=until)
        return self.with_(self.durable.with_execution(changed))

    def refuse(self, execution: Execution, reason: Reason) -> "Draft":
        """The draft with an audit row that says why the operation was refused."""
        self.record(EventKind.REFUSED, job=execution.job, execution=execution.id, reason=reason)
        return self
