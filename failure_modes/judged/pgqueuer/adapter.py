"""pgqueuer: its queue manager in the mode `drain`. Its log has no payload, so a job is an entry point."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from failure_modes.checker import Adapter, ForeignContext, Status
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of

KEYS = ("job-1", "job-2", "job-3")
STATUS = {
    "queued": "waiting",
    "picked": "running",
    "successful": "done",
    "exception": "failed",
    "failed": "failed",
}
STATUSES = """
SELECT entrypoint, status::text FROM pgqueuer UNION ALL
SELECT entrypoint, status::text FROM (
    SELECT DISTINCT ON (entrypoint) * FROM pgqueuer_log ORDER BY entrypoint, id DESC
) AS last WHERE status NOT IN ('queued', 'picked') AND entrypoint NOT IN (SELECT entrypoint FROM pgqueuer)
"""


async def connected(dsn: str) -> Queries:
    """A connection, as the documents make it."""
    return Queries(PsycopgDriver(await psycopg.AsyncConnection.connect(dsn, autocommit=True)))


def create(dsn: str) -> None:
    """Install the tables."""
    import asyncio

    async def install() -> None:
        await (await connected(dsn)).install()

    asyncio.run(install())


class PgQueuer(Adapter):
    """A queue manager takes one job at a time until there is none; others take its jobs when it stalls."""

    name = "pgqueuer"
    configuration = "DatabaseRetryEntrypointExecutor"
    seams = ("psycopg",)
    attempts_max: int | None = 3
    lease_seconds = 30.0
    takes_ahead = True

    def reset(self, place: Path) -> None:
        """Install the tables, once."""
        empty_database(place, create)

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Connect."""
        return process.run(connected(database_of(place))), process

    def enqueue(self, session: Any, key: str) -> None:
        """Enqueue a job."""
        queries, process = session
        process.run(queries.enqueue(key, None))

    def executor(self, parameters: Any) -> Any:
        """What runs a job."""
        return DatabaseRetryEntrypointExecutor(parameters=parameters, max_attempts=2)

    def drain(self, session: Any) -> None:
        """Run a queue manager until the queue is empty."""
        queries, process = session

        async def run(job: Job) -> None:
            process.handle(job.entrypoint)

        async def drained() -> None:
            manager = QueueManager(queries)
            for key in KEYS:
                manager.entrypoint(key, executor_factory=self.executor)(run)
            await manager.run(
                mode=QueueExecutionMode.drain, batch_size=1, dequeue_timeout=timedelta(seconds=1)
            )

        process.run(drained())

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table and the log."""
        return {key: Status(STATUS[status]) for key, status in rows_of(place, STATUSES)}


RETRYING = PgQueuer()
