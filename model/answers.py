"""What each operation answers to its caller, and what `status` says of a job and of all of them.

Both are pure functions: an answer is one of the audit rows and the durable rows that its transaction leaves,
and the counts are those of the durable rows, the audit and the time. Nothing here changes a state.
"""

from attrs import frozen

from model.events import Event, EventKind, Operation, Reason
from model.state import Durable, Execution, Job, JobState, Status


@frozen(kw_only=True)
class Accepted:
    """The answer of an enqueue: the job of its key, and whether the job existed already.

    `same_payload`: True unless the job that existed has another payload.
    """

    job: int
    existed: bool
    same_payload: bool = True


@frozen(kw_only=True)
class Reconciled:
    """The answer of a reconciliation: the numbers of executions that it ended."""

    finished: int
    aborted: int


@frozen
class Answer:
    """What an operation answered.

    `value` is the execution that a lease gives, or None if it has no job to give. START, HEARTBEAT, COMMIT,
    FINISH and FAIL answer True, or False if they were refused.
    """

    operation: Operation
    value: Accepted | Execution | Reconciled | bool | None


def answer(
    operation: Operation, events: tuple[Event, ...], durable: Durable, *, asked: str | None = None
) -> Answer | None:
    """The answer after the transaction of these events. None: another transaction will answer.

    `durable` is what the transaction leaves. `asked` is what an enqueue asked for; None: what its job has.
    Only a lease that buries a job needs another transaction.
    """
    kinds = [event.event for event in events]
    match operation:
        case Operation.ENQUEUE:
            (event,) = events
            existed, payload = event.event == EventKind.DUPLICATE, durable.job(event.job).payload
            same = asked in (None, payload)
            return Answer(operation, Accepted(job=event.job, existed=existed, same_payload=same))
        case Operation.LEASE:
            leased = [event.execution for event in events if event.event == EventKind.LEASED]
            if not leased:
                buries = any(event.operation == Operation.LEASE for event in events)
                return None if buries else Answer(operation, None)
            assert leased[0] is not None, "a lease has an execution"
            return Answer(operation, durable.execution(leased[0]))
        case Operation.RECONCILE:
            finished, aborted = kinds.count(EventKind.FINISHED), kinds.count(EventKind.EXPIRED)
            return Answer(operation, Reconciled(finished=finished, aborted=aborted))
        case _:
            return Answer(operation, bool(kinds) and EventKind.REFUSED not in kinds)


@frozen(kw_only=True)
class Counts:
    """The answer of `status`, counted at `counted_at`. Times in ms, None where there is no such job.

    `oldest_due_at`: since when the oldest due job waits; for a job that was never leased, since its enqueue.
    `latest_due_at`: the last due time. `abandoned`: the open executions whose lease ran out.
    """

    pending: int
    running: int
    succeeded: int
    failed: int
    oldest_due_at: int | None
    latest_due_at: int | None
    enqueued_in_future: int
    abandoned: int
    duplicates_refused: int
    counted_at: int


@frozen(kw_only=True)
class JobStatus:
    """The answer of `status` about one job.

    `why`: what its handler raised last. `history`: True if its history has all of its audit rows, and no
    other.
    """

    job: Job
    state: JobState
    attempts: int
    effect: str | None
    why: str | None
    history: bool = True


@frozen(kw_only=True)
class Statuses:
    """The status of each job, by its id; and the jobs that were given up, the latest first."""

    jobs: tuple[JobStatus, ...]
    given_up: tuple[int, ...]


def statuses(durable: Durable, events: tuple[Event, ...]) -> Statuses:
    """What `status` says of these rows. `events` is the audit from its first row on."""
    found = []
    for job in durable.jobs:
        details = [event.detail for event in events if event.job == job.id and event.detail is not None]
        effects = [effect.value for effect in durable.effects_of(job.id)]
        status = JobStatus(
            job=job,
            state=durable.job_state(job.id),
            attempts=len(durable.executions_of(job.id)),
            effect=effects[0] if effects else None,
            why=details[-1] if details else None,
        )
        found.append(status)
    buried = [event.job for event in reversed(events) if event.event == EventKind.BURIED]
    return Statuses(jobs=tuple(found), given_up=tuple(buried))


def count(durable: Durable, events: tuple[Event, ...], now: int) -> Counts:
    """The counts of these rows. `events` is the audit from its first row on."""
    states = [durable.job_state(job.id) for job in durable.jobs]
    new = [job.enqueued_at for job in durable.jobs if not job.timed and job.available_at is not None]
    timed = [job.available_at for job in durable.jobs if job.timed and job.available_at is not None]
    still_open = [one for one in durable.executions if one.status not in (Status.DONE, Status.ABORTED)]
    return Counts(
        pending=states.count(JobState.PENDING),
        running=states.count(JobState.RUNNING),
        succeeded=states.count(JobState.SUCCEEDED),
        failed=states.count(JobState.FAILED),
        oldest_due_at=min([*new, *[at for at in timed if at <= now]], default=None),
        latest_due_at=max(timed, default=None),
        enqueued_in_future=len([at for at in new if at > now]),
        abandoned=len([one for one in still_open if one.lease_expires_at <= now]),
        duplicates_refused=len(
            [
                event
                for event in events
                if event.event == EventKind.DUPLICATE or event.reason == Reason.ALREADY_COMMITTED
            ]
        ),
        counted_at=now,
    )
