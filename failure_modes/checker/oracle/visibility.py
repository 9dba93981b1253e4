"""What the database gave to an operation, for the model: the ids of its rows, and what it could see.

Where transactions overlap, a lease passes over jobs that another holds, and does not see what was committed
after it looked. So each look is noted when it happens.
"""

from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import Moved
from model.draft import Given
from model.state import Durable

LIMITS = "retries", "breaker"
"""The tables that many jobs share: whoever changes one holds it, as a job is held."""


class Giving:
    """Notes what is given while a run goes on."""

    def __init__(self, *, overlaps: bool) -> None:
        self._overlaps = overlaps
        self._changed_at: dict[int | str, int] = {}
        """When each job, and each table of the limits, was last changed, by the time that its change read."""

    def beyond(self, now: int) -> tuple[object, ...]:
        """What was noted, with times counted from now."""
        return tuple([(job, at - now) for job, at in sorted(self._changed_at.items(), key=str)])

    def look(self, process: Process, moved: Moved, durable: Durable, now: int) -> None:
        """If it looked for jobs: which it could have got, of those that had something to be done."""
        look = moved.look
        if look is not None:
            at = now if look.at is None else look.at
            known = {job.id for job in durable.jobs}
            due = [job for job in look.unheld if job in known and durable.is_due(job, at)]
            process.transaction.saw(frozenset(due))

    def given(self, process: Process, before: Durable, after: Durable, now: int) -> Given:
        """What was given to the operation that has just been committed."""
        jobs = {job.id for job in after.jobs} - {job.id for job in before.jobs}
        leased = {one.id for one in after.executions} - {one.id for one in before.executions}
        job, execution = min(jobs, default=None), min(leased, default=None)
        if not self._overlaps:
            return Given(job=job, execution=execution)
        transaction = process.transaction
        touched: list[int | str] = [job.id for job in after.jobs if _changed(job.id, before, after)]
        touched += [name for name in LIMITS if getattr(before, name) != getattr(after, name)]
        since = max([self._changed_at.get(one, 0) for one in touched], default=0)
        self._changed_at |= dict.fromkeys(
            touched, now if transaction.read_at is None else transaction.read_at
        )
        looks = transaction.take_looks()
        return Given(
            job=job, execution=execution, looks=looks or None, since=since, asked_at=transaction.first_read_at
        )


def _changed(job: int, before: Durable, after: Durable) -> bool:
    known = {one.id: one for one in before.jobs}
    same = known.get(job) == after.job(job) and before.executions_of(job) == after.executions_of(job)
    return not same
