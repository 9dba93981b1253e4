"""chancy: a worker fetches a job, runs it with the asynchronous executor, and flushes its update."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chancy import Chancy, Queue, Worker
from chancy.executors.asyncex import AsyncExecutor
from chancy.job import Job
from chancy.plugins.recovery import Recovery
from psycopg.rows import dict_row

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic
from failure_modes.checker.simulation.seams.stepped import current
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of

STATUS = {"pending": "waiting", "retrying": "waiting", "running": "running", "succeeded": "done"}
FENCE = "Late updates from the old claim are discarded even if it keeps running."
ONLY_ONE = (
    "The worker will use Postgres' SELECT...FOR UPDATE SKIP LOCKED to guarantee that only one worker is "
    "running a given job at a time."
)
NEVER_LOST = "This ensures that jobs are never lost"
RECOVERED = "the job can be recovered with the Recovery plugin"
QUEUE = Queue(name="default", executor=Chancy.Executor.Async)


async def job(*, key: str) -> None:
    """The job. chancy imports it by its name."""
    process: Any = current()
    process.handle(key)


def chancy_of(dsn: str) -> Chancy:
    """The application."""
    return Chancy(dsn, notifications=False, no_default_plugins=True, max_connection_pool_size=1)


def create(dsn: str) -> None:
    """Migrate, and declare the queue."""

    async def migrate() -> None:
        async with chancy_of(dsn) as app:
            await app.migrate()
            await app.declare(QUEUE)

    asyncio.run(migrate())


class ChancyQueue(Adapter):
    """Each drain is a worker of its own; housekeeping is one pass of the recovery plugin."""

    name = "chancy"
    configuration = "AsyncExecutor, Recovery"
    seams = ("psycopg",)
    lease_seconds = 90.0
    note = "Recovery lets a job run once more than its maximum, as its docstring says: no maximum was judged."
    claims = (
        Claim(topic=Topic.FENCED, promised=True, sentence=FENCE, where="docstring of Recovery"),
        Claim(topic=Topic.MULTI_PROCESS, promised=True, sentence=ONLY_ONE, where="docs, Design"),
        Claim(topic=Topic.KEEPS_JOBS, promised=True, sentence=NEVER_LOST, where="docs, Design"),
        Claim(topic=Topic.KEEPS_WAITING, promised=True, sentence=NEVER_LOST, where="docs, Design"),
        Claim(topic=Topic.RECOVERY, promised=True, sentence=RECOVERED, where="docs, Design"),
    )

    def reset(self, place: Path) -> None:
        """Migrate, once."""
        empty_database(place, create)

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the application."""
        app = chancy_of(database_of(place))
        process.run(app.pool.open())
        return app, process

    def enqueue(self, session: Any, key: str) -> None:
        """Push a job."""
        app, process = session
        name = f"{job.__module__}.{job.__qualname__}"
        process.run(app.push(Job(func=name, kwargs={"key": key}, max_attempts=3)))

    def drain(self, session: Any) -> None:
        """Announce a worker; fetch, run and flush until there is no job."""
        app, process = session

        async def drained() -> None:
            worker = Worker(app, register_signal_handlers=False)
            executor = AsyncExecutor(worker, QUEUE)
            async with app.pool.connection() as connection:
                await worker.announce_worker(connection)
                jobs = await worker.fetch_jobs(QUEUE, connection, up_to=1)
            while jobs:
                await executor.push(jobs[0])
                while len(executor):
                    await asyncio.sleep(0)
                await worker.flush()
                async with app.pool.connection() as connection:
                    jobs = await worker.fetch_jobs(QUEUE, connection, up_to=1)

        process.run(drained())

    def housekeep(self, session: Any) -> None:
        """Recover the jobs of lost workers."""
        app, process = session

        async def recovered() -> None:
            async with app.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
                await Recovery.recover(Worker(app, register_signal_handlers=False), app, cursor)

        process.run(recovered())

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table."""
        rows = rows_of(place, "SELECT kwargs->>'key', state FROM chancy_jobs")
        return {key: Status(STATUS.get(state, "failed")) for key, state in rows}


CHANCY = ChancyQueue()
