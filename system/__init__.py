"""A small job queue on SQLite or PostgreSQL: at least once delivery, effect at most once.

import system

def charge(job, context):
context.write({"charged": sum(job.payload["items"])})

with system.open("queue.db") as queue:
job = queue.enqueue({"items": [2, 3]}, key="order-1")
queue.work(charge, drain=True)
print(queue.result(job.id))
"""

from system.open_queue import KeyReused, NoResult, NoSuchJob, OpenQueue
from system.open_queue import open_queue as open  # noqa: A004 (as in `system.open`)
from system.policies import Policies
from system.queue import InvalidJob
from system.store import Job, JobState, JobStatus, StoreError, StoreUnavailable
from system.worker import Context

__all__ = [
    "Context",
    "InvalidJob",
    "Job",
    "JobState",
    "JobStatus",
    "KeyReused",
    "NoResult",
    "NoSuchJob",
    "OpenQueue",
    "Policies",
    "StoreError",
    "StoreUnavailable",
    "open",
]
