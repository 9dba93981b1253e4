"""RQ: what `SimpleWorker.work(burst=True)` does, with one queue or several.

A job's time limit is on the simulated clock: a job that takes longer fails when it ends.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue, Retry, SimpleWorker
from rq.job import Job, JobStatus
from rq.timeouts import BaseDeathPenalty

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic

ISSUE = "maintainer, https://github.com/rq/rq/issues/1716"
ONE = (
    "Redis' `blmove` command ensures that when the job is popped of the queue, it gets added to intermediate "
    "queue atomically, this means no jobs will be lost."
)
TWO = (
    "When a job arrives in either queue, it's immediately popped off the queue before being moved to "
    "`StartedJobRegistry`. These two functions are not atomic."
)
NOTE = (
    "Judged with `SimpleWorker`, which runs a job in the worker's own process. The documents: it "
    'is "not recommended for production use unless you fully understand these limitations". '
    "A job that takes longer than its time limit fails when it ends."
)
IN_NO_REGISTRY = "https://github.com/rq/rq/issues/2015, where the job of a killed worker was lost"
JOB = "failure_modes.checker.handle"
STATUSES = {
    JobStatus.STARTED: Status.RUNNING,
    JobStatus.FINISHED: Status.DONE,
    JobStatus.FAILED: Status.FAILED,
}


class Penalty(BaseDeathPenalty):  # type: ignore[misc]
    """Ends a job that took too long."""

    def setup_death_penalty(self) -> None:
        """Begin."""
        self._end = time.time() + self._timeout

    def cancel_death_penalty(self) -> None:
        """End."""
        if time.time() > self._end:
            raise RuntimeError("too long")


class Worker(SimpleWorker):  # type: ignore[misc]
    """The worker, with that time limit."""

    death_penalty_class = Penalty


class OneQueue(Adapter):
    """A worker of one queue. Housekeeping is the maintenance of a worker."""

    name = "rq"
    configuration = "one queue"
    seams = ("redis",)
    queues: tuple[str, ...] = ("default",)
    retry: Retry | None = None
    attempts_max = 1
    lease_seconds = 240
    note = NOTE
    upstream: Mapping[Topic, str] = {Topic.RECOVERY: IN_NO_REGISTRY}
    claims = (
        Claim(topic=Topic.KEEPS_JOBS, promised=True, sentence=ONE, where=ISSUE, configuration="one queue"),
        Claim(
            topic=Topic.KEEPS_JOBS,
            promised=True,
            sentence=ONE,
            where=ISSUE,
            configuration="one queue, Retry(max=2)",
        ),
        Claim(topic=Topic.RECOVERY, promised=False, sentence=TWO, where=ISSUE, configuration="two queues"),
        Claim(topic=Topic.KEEPS_JOBS, promised=False, sentence=TWO, where=ISSUE, configuration="two queues"),
        Claim(
            topic=Topic.COUNTS_CRASHES,
            promised=True,
            sentence="The max number of times a job should be retried",
            where="docstring of Retry",
        ),
        Claim(
            topic=Topic.MAX_ATTEMPTS,
            promised=True,
            sentence="The max number of times a job should be retried",
            where="docstring of Retry",
        ),
    )

    def redis(self, place: Path) -> Redis:
        """A fresh connection."""
        return Redis(unix_socket_path=str(place / "redis.sock"))

    def reset(self, place: Path) -> None:
        """Make an empty queue: nothing to do."""

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Start a worker. The process is known to the job."""
        del process
        redis = self.redis(place)
        return Queue("default", connection=redis), Worker(list(self.queues), connection=redis)

    def enqueue(self, session: Any, key: str) -> None:
        """Enqueue a job."""
        session[0].enqueue(JOB, key, job_id=key, retry=self.retry)

    def drain(self, session: Any) -> None:
        """Do what `work` does."""
        worker = session[1]
        while (found := worker.dequeue_job_and_maintain_ttl(None)) is not None:
            worker.execute_job(*found)

    def housekeep(self, session: Any) -> None:
        """Do what a worker does each ten minutes."""
        session[1].run_maintenance_tasks()

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the status of each job."""
        redis = self.redis(place)
        jobs = [Job.fetch(key.decode()[7:], redis) for key in sorted(redis.scan_iter("rq:job:*"))]
        return {job.id: STATUSES.get(job.get_status(refresh=False), Status.WAITING) for job in jobs}


class TwoQueues(OneQueue):
    """A worker of two queues."""

    configuration = "two queues"
    queues = ("high", "default")
    upstream: Mapping[Topic, str] = {}


class Retrying(OneQueue):
    """Jobs that may be retried."""

    configuration = "one queue, Retry(max=2)"
    retry = Retry(max=2)
    attempts_max = 3


ONE_QUEUE, TWO_QUEUES, RETRYING = OneQueue(), TwoQueues(), Retrying()
