"""The peers on PostgreSQL, on the same server, with its settings. Loaded when they run."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, ClassVar

from tests.bench.contender import POSTGRESQL_SETTINGS, Begin, Promises


class Procrastinate:
    """Procrastinate with psycopg 3: one asynchronous worker a process, one job at a time."""

    name: ClassVar[str] = "procrastinate"
    database: ClassVar[str] = "PostgreSQL"
    needs: ClassVar[tuple[str, ...]] = ("procrastinate", "psycopg_pool")
    promises: ClassVar[Promises] = Promises(
        commits="3 (defer, fetch, finish)",
        acknowledged="after",
        redelivered="by hand: a task of the user's calls `get_stalled_jobs` and `retry_job`",
        effect="none: what a task returns is logged",
        once="nothing: a late worker's work counts as well",
        history="an event for each step, by a trigger",
    )
    done_sql: ClassVar[str] = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"

    def _app(self, connector: Any) -> tuple[Any, Any]:
        import procrastinate

        app = procrastinate.App(connector=connector)
        return app, app.task(name="task")(_task)

    def create(self, target: str) -> None:
        """Make an empty queue."""
        import procrastinate

        app, _ = self._app(procrastinate.SyncPsycopgConnector(conninfo=target))
        with app.open():
            app.schema_manager.apply_schema()

    def durability(self, target: str) -> str:
        """The settings of its own connection."""
        import procrastinate

        app, _ = self._app(procrastinate.SyncPsycopgConnector(conninfo=target, min_size=1, max_size=1))
        with app.open():
            found = [
                app.connector.get_sync_connector().execute_query_one(f"SHOW {name}")
                for name in POSTGRESQL_SETTINGS
            ]
        return ", ".join(
            [f"{name} {row[name]}" for name, row in zip(POSTGRESQL_SETTINGS, found, strict=True)]
        )

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs."""
        import procrastinate

        app, task = self._app(procrastinate.SyncPsycopgConnector(conninfo=target, min_size=1, max_size=1))
        with app.open():
            begin()
            for number in range(jobs):
                task.defer(number=number)

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker."""
        import procrastinate

        async def run() -> None:
            connector = procrastinate.PsycopgConnector(conninfo=target, min_size=2, max_size=4)
            app, _ = self._app(connector)
            async with app.open_async():
                begin()
                await app.run_worker_async(name=name, wait=not drain, install_signal_handlers=False)

        asyncio.run(run())


async def _task(number: int) -> int:
    del number
    return 1


class PgQueuer:
    """Pgqueuer with asyncpg, one job taken and acknowledged at a time, as the others do."""

    name: ClassVar[str] = "pgqueuer, one by one"
    database: ClassVar[str] = "PostgreSQL"
    needs: ClassVar[tuple[str, ...]] = ("pgqueuer", "asyncpg")
    promises: ClassVar[Promises] = Promises(
        commits="3 (enqueue, dequeue, log)",
        acknowledged="after, by a task of its own, while the next job is taken",
        redelivered="yes, by itself, when the heartbeat is old",
        effect="none",
        once="nothing: a late worker's work counts as well",
        history="a log row for each step",
    )
    done_sql: ClassVar[str] = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
    batch_size: ClassVar[int] = 1

    async def _queries(self, target: str) -> Any:
        import asyncpg
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries

        logging.getLogger("pgqueuer").setLevel(logging.WARNING)
        return Queries(AsyncpgDriver(await asyncpg.connect(target)))

    def create(self, target: str) -> None:
        """Make an empty queue."""

        async def run() -> None:
            await (await self._queries(target)).install()

        asyncio.run(run())

    def durability(self, target: str) -> str:
        """The settings of its own connection."""

        async def run() -> list[str]:
            driver = (await self._queries(target)).driver
            rows = [await driver.fetch(f"SHOW {name}") for name in POSTGRESQL_SETTINGS]
            return [row[0][name] for name, row in zip(POSTGRESQL_SETTINGS, rows, strict=True)]

        found = asyncio.run(run())
        return ", ".join([f"{name} {value}" for name, value in zip(POSTGRESQL_SETTINGS, found, strict=True)])

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs."""

        async def run() -> None:
            queries = await self._queries(target)
            begin()
            for number in range(jobs):
                await queries.enqueue("task", str(number).encode())

        asyncio.run(run())

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker."""
        del name  # it gives itself one
        from pgqueuer.models import Job
        from pgqueuer.qm import QueueManager
        from pgqueuer.types import QueueExecutionMode

        async def task(job: Any) -> None:
            pass

        task.__annotations__["job"] = Job

        async def run() -> None:
            manager = QueueManager(await self._queries(target))
            manager.entrypoint("task")(task)
            begin()
            mode = QueueExecutionMode.drain if drain else QueueExecutionMode.continuous
            with suppress(asyncio.CancelledError):
                await manager.run(batch_size=self.batch_size, mode=mode)

        asyncio.run(run())


class PgQueuerInBatches(PgQueuer):
    """Pgqueuer as it is by default: ten jobs in one transaction."""

    name: ClassVar[str] = "pgqueuer, by tens"
    promises: ClassVar[Promises] = Promises(
        commits="1.2 (enqueue; dequeue and log, for ten jobs at a time)",
        acknowledged="after; up to ten wait in memory for up to 0.1 s",
        redelivered=PgQueuer.promises.redelivered,
        effect=PgQueuer.promises.effect,
        once=PgQueuer.promises.once,
        history=PgQueuer.promises.history,
    )
    batch_size: ClassVar[int] = 10
