"""pgqueuer: its queue manager in the mode `drain`. Its log has no payload, so a job is an entry point."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutor
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of

AGAIN = "A job may run more than once; PgQueuer does not attempt exactly-once."
CRASH = "No job is lost to a worker crash; re-delivery is the recovery path."
REDELIVERED = "When a worker crashes between claim and completion, the job is re-delivered to another worker."
ATTEMPTS = "After max_attempts consecutive failures the exception propagates as a terminal failure."
ADR = "docs, ADR-0004"
KEYS = tuple([f"job-{number}" for number in range(1, 9)])
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

    async def install() -> None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await Queries(PsycopgDriver(connection)).install()

    asyncio.run(install())


class PgQueuer(Adapter):
    """A queue manager takes one job at a time until there is none; others take its jobs when it stalls."""

    name = "pgqueuer"
    configuration = "DatabaseRetryEntrypointExecutor"
    seams = ("psycopg",)
    attempts_max: int | None = 3
    lease_seconds = 30.0
    takes_ahead = True
    upstream: Mapping[Topic, str] = {
        Topic.FENCED: "https://github.com/janbjorge/pgqueuer/pull/675, where a stalled job ran twice"
    }
    claims = (
        Claim(topic=Topic.FENCED, promised=False, sentence=AGAIN, where=ADR),
        Claim(topic=Topic.KEEPS_JOBS, promised=True, sentence=CRASH, where=ADR),
        Claim(topic=Topic.KEEPS_WAITING, promised=True, sentence=CRASH, where=ADR),
        Claim(topic=Topic.RECOVERY, promised=True, sentence=REDELIVERED, where=ADR),
        Claim(
            topic=Topic.MAX_ATTEMPTS,
            promised=True,
            sentence=ATTEMPTS,
            where="docstring of DatabaseRetryEntrypointExecutor",
            configuration="DatabaseRetryEntrypointExecutor",
        ),
    )

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


class PlainPgQueuer(PgQueuer):
    """The default: a job that raises an error is not run again."""

    configuration = "EntrypointExecutor"
    attempts_max = None

    def executor(self, parameters: Any) -> Any:
        """What runs a job."""
        return EntrypointExecutor(parameters=parameters)


RETRYING = PgQueuer()
PLAIN = PlainPgQueuer()
