"""A queue for a Python program: it is opened by name, and has methods for workers and results."""

import json
import os
import platform
import threading
import warnings
from contextlib import nullcontext
from types import TracebackType
from typing import Any

from attrs import frozen

from system.clock import SystemClock
from system.database import BUSY_SECONDS, named
from system.policies import Policies
from system.queue import Queue
from system.signals import breaking_off
from system.store import AuditRow, Job, JobState, JobStatus, StoreError
from system.worker import GRACE_SECONDS, Handler, Worker


class NoSuchJob(StoreError):
    """There is no job of that id."""


class NoResult(StoreError):
    """The job has no result: it has not succeeded yet, or it failed. The message says which."""


class KeyReused(UserWarning):
    """A job was enqueued with the key of an existing job and another payload. It was not added."""


@frozen(kw_only=True)
class OpenQueue(Queue):
    """A queue and its store. Close it, or use it in a `with`. Any thread may use it."""

    def __enter__(self) -> "OpenQueue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def enqueue(self, payload: object, *, key: str | None = None, actor: str = "producer") -> Job:
        """Accept a job, or return the job that its idempotency key already has. Raises InvalidJob.

        Warns KeyReused if that job has another payload.
        """
        accepted = self.accept(payload, key=key, actor=actor)
        if not accepted.same_payload:
            text = f"job {accepted.job.id} has this key, {key!r}, and another payload; nothing was added"
            warnings.warn(text, KeyReused, stacklevel=2)
        return accepted.job

    def work(
        self,
        handler: Handler,
        *,
        drain: bool = False,
        name: str | None = None,
        poll_seconds: float = 0.5,
        handler_seconds: float | None = None,
        grace_seconds: float = GRACE_SECONDS,
        reconcile_seconds: float | None = 60.0,
    ) -> None:
        """Run the handler on one job after another, in this thread.

        With `drain` until no job can be leased, else for ever. `handler_seconds`: a handler that runs for
        longer is broken off, and its attempt fails; None for no limit. If it has not ended `grace_seconds`
        later, the process ends, with exit code 4. `reconcile_seconds`: how often it reconciles; None for
        never. Raises StoreError.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        worker = Worker(
            self,
            handler,
            name=name or f"{platform.node()}-{os.getpid()}",
            clock=SystemClock(),
            poll_seconds=poll_seconds,
            handler_seconds=handler_seconds,
            grace_seconds=grace_seconds,
            ends_if_held=in_main_thread and handler_seconds is not None,
            watch=True,
            wakeups=self.store.wakeups(),
            reconcile_seconds=reconcile_seconds,
        )
        with breaking_off(worker) if in_main_thread else nullcontext():
            if drain:
                worker.drain()
            else:
                worker.run()

    def job(self, job_id: int) -> JobStatus:
        """The job and its state. Raises NoSuchJob."""
        found = self.store.status(job_id)
        if found is None:
            raise NoSuchJob(f"there is no job {job_id}")
        return found

    def state(self, job_id: int) -> JobState:
        """PENDING, RUNNING, SUCCEEDED or FAILED. Raises NoSuchJob."""
        return self.job(job_id).state

    def result(self, job_id: int) -> Any:
        """The value that the handler wrote; None if it wrote none. Raises NoResult, or NoSuchJob."""
        found = self.job(job_id)
        if found.effect_json is None:
            why = f": {found.why}" if found.why and found.state is JobState.FAILED else ""
            raise NoResult(f"job {job_id} is {found.state}, and has no result{why}")
        return json.loads(found.effect_json)

    def history(self, job_id: int) -> tuple[AuditRow, ...]:
        """The audit rows of a job, oldest first. Raises NoSuchJob."""
        self.job(job_id)
        return tuple(self.store.audit(job_id=job_id))

    def failed(self, limit: int = 100) -> tuple[JobStatus, ...]:
        """The jobs that failed last, the latest first."""
        return self.store.given_up(limit)


def open_queue(
    db: str | os.PathLike[str],
    *,
    create: bool | None = None,
    policies: Policies | None = None,
    lease_seconds: float = 30.0,
    busy_seconds: float = BUSY_SECONDS,
) -> OpenQueue:
    """Open the queue in a file, or at `postgresql://USER@HOST:PORT/DATABASE`. Raises StoreError.

    `create`: create a queue if there is none. By default a file is created, and a queue on a server is not.
    Give each process that uses a queue the same `policies`.
    """
    database = named(os.fspath(db), busy_seconds)
    store = database.store(database.enqueue_creates if create is None else create)
    return OpenQueue(
        store=store, policies=Policies() if policies is None else policies, lease_seconds=lease_seconds
    )
