"""SAQ on Redis: a worker in burst mode, with its timers, in one event loop.

A job may be tried twice.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis import Redis
from saq import Worker
from saq.queue.redis import RedisQueue

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic

STATUSES = {
    "active": Status.RUNNING,
    "complete": Status.DONE,
    "failed": Status.FAILED,
    "aborted": Status.FAILED,
}


class OnRedis(Adapter):
    """A worker with the default settings. Its timers schedule, sweep and abort."""

    name = "saq"
    configuration = "Redis, timeout=10"
    seams = ("redis",)
    attempts_max = 2
    lease_seconds = 70
    note = (
        "A sweep takes each job of the active list that is not marked as active: also one that a worker "
        "has just taken, as others have seen (https://github.com/tobymao/saq/issues/124). A worker "
        "sweeps when it starts, so it may sweep the first job that it takes. Most of what follows "
        "begins so. The sweep removes the job from the active list, waits up to 5 s for its worker, and "
        "enqueues it again; if the sweeper dies or stops in between, no list has the job: so it is "
        'stuck, or never runs. The README has "Sweeping stuck jobs" in its comparison to ARQ, under '
        '"More robust failure handling". That names a feature, and does not promise that no job stays '
        "stuck: so it is not taken for a claim."
    )
    upstream: Mapping[Topic, str] = {
        Topic.MULTI_PROCESS: "https://github.com/tobymao/saq/issues/277",
    }
    job: Mapping[str, int] = {"retries": 2}
    claims = (
        Claim(
            topic=Topic.MAX_ATTEMPTS,
            promised=True,
            sentence="the maximum number of attempts to retry a job, defaults to 1",
            where="docstring of Job, retries",
        ),
    )

    def reset(self, place: Path) -> None:
        """Make an empty queue: nothing to do."""

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Connect."""
        return RedisQueue.from_url(f"unix://{place}/redis.sock"), process

    def enqueue(self, session: Any, key: str) -> None:
        """Enqueue a job."""
        queue, process = session
        process.run(queue.enqueue("job", key=key, **self.job))

    def drain(self, session: Any) -> None:
        """Start a worker that stops when it finds no job."""
        queue, process = session

        async def job(context: Any) -> None:
            process.handle(context["job"].key)

        options = {"concurrency": 1, "burst": True, "dequeue_timeout": 1}
        process.run(Worker(queue, [("job", job)], **options).start())

    def housekeep(self, session: Any) -> None:
        """Sweep, as the timers of a worker do."""
        queue, process = session
        process.run(queue.schedule())
        process.run(queue.sweep())

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the jobs."""
        redis = Redis(unix_socket_path=str(place / "redis.sock"))
        jobs = [json.loads(redis.get(key)) for key in sorted(redis.scan_iter("saq:job:default:*"))]
        return {job["key"]: STATUSES.get(job.get("status"), Status.WAITING) for job in jobs}


class NoTimeout(OnRedis):
    """Jobs that may run for ever."""

    configuration = "Redis, timeout=0"
    job: Mapping[str, int] = {"retries": 2, "timeout": 0}


TIMEOUT, NO_TIMEOUT = OnRedis(), NoTimeout()
