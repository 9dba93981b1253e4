"""What the database chooses for an operation: the ids of new rows, and which jobs were visible.

The model cannot know these choices, so it takes them from the system. Nothing is judged here.
"""

from typing import cast

from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.process_snapshot import StepResult
from failure_modes.checker.simulation.sql_text import verb_of
from model.actions import Action, Reconcile, without_loss
from model.draft import Visibility
from model.events import Event, Operation
from model.state import Durable, Job

LIMITS = "retries", "breaker"
"""The tables that many jobs share. A transaction that changes one holds it, as it holds a job."""


class VisibilityLog:
    """Notes what the database chooses for operations: the ids of new rows, and which jobs were visible.

    Where transactions overlap, a lease passes over the jobs that another transaction holds, and does not see
    what was committed after its read. So each read of the jobs is noted when it happens.
    """

    def __init__(self, *, overlaps: bool) -> None:
        self._overlaps = overlaps
        self._changed_at: dict[int | str, int] = {}
        """When each job and each table of `LIMITS` was last changed, by the time that its change read."""
        self._began_at = 0
        """When the rows that were never changed began to exist: at 0, unless the clock was set back since."""

    def extra(self, now: int) -> tuple[object, ...]:
        """What was noted, with times counted from now."""
        began = (("began", self._began_at - now),) if self._began_at else ()
        return (*began, *[(job, at - now) for job, at in sorted(self._changed_at.items(), key=str)])

    def set_back(self, now: int) -> None:
        """The clock was set back: what was changed was not changed later than now."""
        self._changed_at = {one: min(at, now) for one, at in self._changed_at.items()}
        self._began_at = min(self._began_at, now)

    def note_read(self, process: Process, moved: StepResult, durable: Durable, now: int) -> None:
        """Note what the database let the process see: the executions, at the first statement after BEGIN.

        If the process looked for jobs, those that it looked for and that no other transaction held.

        A reconciliation looks for abandoned jobs only: it does not see a job that is abandoned later, though
        it reads its time after the look.
        """
        read, transaction = moved.skip_locked, process.transaction
        if self._overlaps and moved.ran is not None and verb_of(moved.ran) != "BEGIN":
            transaction.note_first(durable)
        if read is None:
            return
        own = () if process.current_job is None else (process.current_job,)
        unlocked = tuple(sorted({*read.unlocked, *own}))  # a fused worker has locked its own job itself
        if read.paused:
            transaction.keep_snapshot((durable, now))
            return
        snapshot = transaction.take_snapshot()
        if snapshot is not None:
            old, then = snapshot
            transaction.add_visible(frozenset(locked_later(process, old, then, durable, unlocked)))
            return
        known = {job.id for job in durable.jobs}
        recovers = _recovers(process)
        is_wanted = durable.is_abandoned if recovers else durable.is_due
        wanted = [job for job in unlocked if job in known and is_wanted(job, now)]
        transaction.add_visible(frozenset(wanted))

    def of_commit(
        self, process: Process, before: Durable, after: Durable, events: tuple[Event, ...], now: int
    ) -> Visibility:
        """What the database chose for the operation that has just been committed, with these audit rows."""
        jobs = {job.id for job in after.jobs} - {job.id for job in before.jobs}
        leased = {one.id for one in after.executions} - {one.id for one in before.executions}
        job, execution = min(jobs, default=None), min(leased, default=None)
        if not self._overlaps:
            return Visibility(job=job, execution=execution)
        transaction, connection = process.transaction, process.connection
        touched: list[int | str] = [job.id for job in after.jobs if _changed(job.id, before, after)]
        touched += [name for name in LIMITS if getattr(before, name) != getattr(after, name)]
        since = max([self._changed_at.get(one, self._began_at) for one in touched], default=self._began_at)
        read_at = time_of(process, events)
        self._changed_at |= dict.fromkeys(touched, now if read_at is None else read_at)
        visible, first = transaction.take_visible(), transaction.seen_first
        finished_at = _finished_at(events, process)
        return Visibility(
            job=job,
            execution=execution,
            jobs_seen=visible[0] if visible else None,
            executions_seen=None if first is None else frozenset([one.id for one in first.executions]),
            since=since,
            locked_at=None if connection is None else connection.locked_at,
            locked_before_writes_at=None if connection is None else connection.locked_before_writes_at,
            asked_at=transaction.first_read_at if finished_at is None else finished_at,
            finished_at=finished_at,
        )


def time_of(process: Process, events: tuple[Event, ...]) -> int | None:
    """The time that an operation went by: it read it, and its last audit row has it; else the last it read.

    A statement may read a time that the operation does not use. The time of a finish before it is another: an
    operation that finished, waited for the lock of a limit, and found no job, read no time after that.
    """
    transaction, connection = process.transaction, process.connection
    noted = [event.at for event in events if event.operation != Operation.FINISH]
    if noted and noted[-1] in transaction.reads:
        return noted[-1]
    finished_at = _finished_at(events, process)
    if finished_at is None or finished_at != transaction.read_at or connection is None:
        return transaction.read_at
    return max(finished_at, connection.locked_at or finished_at)


def _finished_at(events: tuple[Event, ...], process: Process) -> int | None:
    """The time at which the operation finished an execution; None if it did not, or never read that time."""
    first = [event.at for event in events if event.operation == Operation.FINISH]
    return first[0] if first and first[0] in process.transaction.reads else None


def locked_later(
    process: Process, old: Durable, then: int, durable: Durable, unlocked: tuple[int, ...]
) -> tuple[int, ...]:
    """The jobs that a read with SKIP LOCKED locks. It had its snapshot at `then`, when the rows were `old`.

    It goes through the jobs of its snapshot, in their order there. It passes over a job that is locked now,
    or is no longer as it wants it. A lease takes the first retry, or the first new job.
    """
    free = [job for job in old.jobs if job.id in unlocked]
    if _recovers(process):
        return tuple([job.id for job in free if old.is_abandoned(job.id, then)])
    free.sort(key=lambda job: (job.available_at or 0, job.id) if job.timed else (0, job.id))
    found = []
    for timed in (True, False):
        wanted = [job.id for job in free if job.timed is timed and job.is_due(then)]
        still = [one for one in wanted if _is_still(durable.job(one), timed=timed, then=then)]
        found += still[:1]
    return tuple(found)


def _recovers(process: Process) -> bool:
    """True if the transaction is a reconciliation, whether its reply is lost or not."""
    return isinstance(without_loss(cast(Action, process.pending)), Reconcile)


def _is_still(job: Job, *, timed: bool, then: int) -> bool:
    return job.timed is timed and job.is_due(then)


def _changed(job: int, before: Durable, after: Durable) -> bool:
    known = {one.id: one for one in before.jobs}
    same = known.get(job) == after.job(job) and before.executions_of(job) == after.executions_of(job)
    return not same
