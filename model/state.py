"""The values of a state: durable rows, and what each worker remembers.

Times are whole milliseconds of one clock. The database gives the ids: an execution's id is above those of the
job's earlier executions. Rows are in the order of their ids, effects in the order of their executions.
"""

from enum import StrEnum

from attrs import evolve, frozen


class Status(StrEnum):
    """The status of an execution: one attempt at one job."""

    LEASED = "LEASED"
    IN_PROGRESS = "IN_PROGRESS"
    COMMITTED = "COMMITTED"
    DONE = "DONE"
    ABORTED = "ABORTED"


HELD = (Status.LEASED, Status.IN_PROGRESS)
"""The statuses in which an execution holds its job by a lease."""


class JobState(StrEnum):
    """The state of a job: derived from its executions, never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TERMINAL = (JobState.SUCCEEDED, JobState.FAILED)


class Phase(StrEnum):
    """The position of a worker in its program; the next operation follows from it."""

    IDLE = "IDLE"
    LEASED = "LEASED"
    RUNNING = "RUNNING"
    CALLED = "CALLED"
    HUNG = "HUNG"
    COMMITTED = "COMMITTED"


@frozen(kw_only=True)
class Settings:
    """The settings of the policies. Times in milliseconds; `attempts_max` in leases of a job.

    `jitter_seed`: full jitter, from that seed. `retries_max` in `window_ms`: the retry budget. The circuit
    breaker opens for `open_ms` after `failures_max` failures in a row. None: there is no such limit.
    `external`: the handlers call a payment gateway, which is no part of the queue. `reconcile_batch`: so many
    executions are ended by one run of the reconciliation, at most. `fused`: a worker finishes its job, and
    leases and starts the next, in one transaction.
    """

    lease_ms: int = 30_000
    attempts_max: int = 3
    backoff_ms: int = 1_000
    backoff_max_ms: int = 60_000
    jitter_seed: int | None = None
    retries_max: int | None = None
    window_ms: int = 60_000
    failures_max: int | None = None
    open_ms: int = 30_000
    external: bool = False
    reconcile_batch: int = 500
    fused: bool = False


@frozen(kw_only=True)
class Job:
    """A job. `available_at` is None once it may not be leased again.

    If the job is `timed`, it is a due time: the job was leased before, and waits for the end of a lease or of
    a backoff. A job that was never leased is due at any time. `payload` is the value that the JSON text says.
    """

    id: int
    key: str | None
    payload: object
    attempts_max: int
    enqueued_at: int
    available_at: int | None
    timed: bool = False

    def is_due(self, now: int) -> bool:
        """True if the job may be leased at that time."""
        return self.available_at is not None and (not self.timed or self.available_at <= now)


@frozen(kw_only=True)
class Execution:
    """One attempt at a job, by one worker, under one lease."""

    id: int
    job: int
    attempt: int
    worker: str
    status: Status
    lease_expires_at: int


@frozen(kw_only=True)
class Effect:
    """The effect of a job, written by one execution.

    The payload of a job is its key, and the handler writes its payload as the effect. So an effect that is
    lost on its way, or that belongs to another job, is noticed.
    """

    job: int
    execution: int
    value: str | None


@frozen(kw_only=True)
class Breaker:
    """The circuit breaker: failures in a row, and until when it is open; None when it is closed."""

    failures: int = 0
    open_until_at: int | None = None


@frozen(kw_only=True)
class Durable:
    """The state that survives every crash. The refinement check compares it with the store's rows.

    `charges` are the gateway's, in order: the payload that each was for. `retries` are the times of the
    retries that the budget counts.
    """

    jobs: tuple[Job, ...] = ()
    executions: tuple[Execution, ...] = ()
    effects: tuple[Effect, ...] = ()
    charges: tuple[str | None, ...] = ()
    retries: tuple[int, ...] = ()
    breaker: Breaker = Breaker()

    def job(self, job_id: int) -> Job:
        """The job of that id. Raises KeyError."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise KeyError(job_id)

    def execution(self, execution_id: int) -> Execution:
        """The execution of that id. Raises KeyError."""
        for execution in self.executions:
            if execution.id == execution_id:
                return execution
        raise KeyError(execution_id)

    def executions_of(self, job_id: int) -> tuple[Execution, ...]:
        """The executions of a job, oldest first."""
        return tuple([execution for execution in self.executions if execution.job == job_id])

    def effects_of(self, job_id: int) -> tuple[Effect, ...]:
        """The effects of a job, oldest first."""
        return tuple([effect for effect in self.effects if effect.job == job_id])

    def job_state(self, job_id: int) -> JobState:
        """The job's state, derived from its executions."""
        job = self.job(job_id)
        executions = self.executions_of(job_id)
        statuses = [execution.status for execution in executions]
        if Status.DONE in statuses:
            return JobState.SUCCEEDED
        if statuses.count(Status.ABORTED) < len(statuses):
            return JobState.RUNNING
        if executions and executions[-1].attempt >= job.attempts_max:
            return JobState.FAILED
        return JobState.PENDING

    def is_due(self, job_id: int, now: int) -> bool:
        """True if the job may be leased at that time, or has an execution whose lease has run out."""
        return self.job(job_id).is_due(now) or self.is_abandoned(job_id, now)

    def is_abandoned(self, job_id: int, now: int) -> bool:
        """True if the job has an open execution whose lease has run out at that time."""
        return any(
            execution.lease_expires_at <= now and execution.status not in (Status.DONE, Status.ABORTED)
            for execution in self.executions_of(job_id)
        )

    def with_job(self, job_id: int, available_at: int | None) -> "Durable":
        """The state with another due time of the job."""
        jobs = [
            evolve(job, available_at=available_at, timed=True) if job.id == job_id else job
            for job in self.jobs
        ]
        return evolve(self, jobs=tuple(jobs))

    def with_execution(self, changed: Execution) -> "Durable":
        """The state with the execution of the same id replaced."""
        return evolve(
            self,
            executions=tuple(
                [changed if execution.id == changed.id else execution for execution in self.executions]
            ),
        )


@frozen(kw_only=True, cache_hash=True)
class Worker:
    """The memory of a worker process. A crash erases it.

    `repeats`: the reply to the operation of that action was lost, so the worker repeats it: a commit
    (`Step`), a heartbeat or a failure. Meanwhile the handler does nothing. `heartbeat`: the execution for
    which the second thread has begun a heartbeat. `lost_key`: the store was set back and has lost the
    execution; this is the key of its job. `heartbeat_lost`: it has lost that of the heartbeat.
    """

    name: str
    phase: Phase = Phase.IDLE
    execution: int | None = None
    repeats: str | None = None
    heartbeat: int | None = None
    lost_key: str | None = None
    heartbeat_lost: bool = False


@frozen(kw_only=True)
class State:
    """A state of the model. `changed_at` is the time of the last operation that took effect.

    `earlier`: the durable states before the last commits, the latest first; as many as a rollback may undo.
    None: the store is never set back.
    """

    settings: Settings
    workers: tuple[Worker, ...]
    durable: Durable = Durable()
    now: int = 0
    changed_at: int = 0
    earlier: tuple[Durable, ...] | None = None

    def worker(self, name: str) -> Worker | None:
        """The worker of that name, or None."""
        for worker in self.workers:
            if worker.name == name:
                return worker
        return None


def initial(*, settings: Settings, workers: tuple[str, ...], rollback: bool = False) -> State:
    """The first state: no jobs, each worker idle, time 0. `rollback`: the store may be set back."""
    fresh = tuple([Worker(name=name) for name in workers])
    return State(settings=settings, workers=fresh, earlier=() if rollback else None)
