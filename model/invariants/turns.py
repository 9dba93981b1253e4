"""INV_007 and INV_008: no job is leased before its time, and the job whose turn it is comes first.

Both are judged on the rows before a lease, and on the time that its transaction read. A job that another
transaction holds, or a retry for which the budget has no room, may be passed over.
"""

from model.events import Event, EventKind
from model.invariants.observed import Change
from model.state import Job


def leases_wait_for_due_times(change: Change) -> str | None:
    """No job is leased before its due time."""
    for lease in _leases(change):
        job = _leased_job(change, lease)
        if job is not None and job.timed and job.available_at is not None and job.available_at > change.at:
            early = f"{(job.available_at - change.at) / 1000:g}s before job-{job.id} is due"
            return f"exec-{lease.execution} was leased {early}"
    return None


def due_jobs_take_turns(change: Change) -> str | None:
    """Of the due jobs that a lease could take, it takes the one whose turn it is."""
    for lease in _leases(change):
        job = _leased_job(change, lease)
        if job is None or not job.is_due(change.at):
            continue  # the due times, or the table of transitions, are broken: no turn was taken
        passed_over = [
            other
            for other in change.before.jobs
            if other.is_due(change.at) and turn(other) < turn(job) and _could_be_taken(other, change)
        ]
        if passed_over:
            first = min(passed_over, key=turn)
            return f"exec-{lease.execution} of job-{job.id} was leased, and it was the turn of job-{first.id}"
    return None


def turn(job: Job) -> tuple[bool, int, int]:
    """The place of a due job: retries first, by their due times; then new jobs, by their ids."""
    return not job.timed, (job.available_at or 0) if job.timed else 0, job.id


def _leases(change: Change) -> tuple[Event, ...]:
    return tuple([event for event in change.events if event.event == EventKind.LEASED])


def _leased_job(change: Change, lease: Event) -> Job | None:
    """The leased job, as it was before; None if it did not exist."""
    return next((job for job in change.before.jobs if job.id == lease.job), None)


def _could_be_taken(job: Job, change: Change) -> bool:
    """True unless another transaction held the job, or the retry budget had no room for it."""
    if change.jobs_seen is not None and job.id not in change.jobs_seen:
        return False
    return not job.timed or _has_room(change)


def _has_room(change: Change) -> bool:
    """True if the budget had room for a retry when the transaction asked, by the leases in the audit.

    After the clock was set back, a window ends at the time that was written, as a lease does.
    """
    settings = change.settings
    if settings.retries_max is None:
        return True
    asked_at = change.at if change.asked_at is None else change.asked_at
    return len(change.load.still_counted(asked_at, settings).written) < settings.retries_max
