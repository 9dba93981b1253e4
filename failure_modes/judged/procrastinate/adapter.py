"""procrastinate: its worker, and the periodic task of its documents that retries stalled jobs."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import procrastinate

from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of

STATUS = {"todo": "waiting", "doing": "running", "succeeded": "done", "failed": "failed", "aborted": "failed"}
ONLY_ONE = "This ensures that when a worker starts executing a job, it's the only one."
LIVES = (
    "Note that a job waiting to be retried lives in the database. It will persist across app / machine "
    "reboots."
)
ATTEMPTS = "Retry 5 times (so 6 attempts total)"
RETRIED = (
    "With this, if you have multiple workers, and, for some reason, one of them gets killed while running "
    "jobs, then one of the remaining workers will run the retry_stalled_jobs task, marking the stalled jobs "
    "for retry."
)
FOREVER = (
    "if no specific action is taken, these stalled jobs will remain in the queue forever, and their "
    "execution will never resume."
)


def create(dsn: str) -> None:
    """Apply the schema."""
    with procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=dsn)).open() as app:
        app.schema_manager.apply_schema()


class Procrastinate(Adapter):
    """A worker runs until no job is left. Stalled jobs are retried, as the documents show."""

    name = "procrastinate"
    configuration = "with retry_stalled_jobs"
    seams = ("psycopg",)
    attempts_max = 3
    upstream: Mapping[Topic, str] = {
        Topic.RECOVERY: "https://github.com/procrastinate-org/procrastinate/issues/740"
    }
    note = (
        "A worker that stalls is forgotten by the next worker that starts. When it fetches a job again, a "
        "foreign key refuses that, and the worker ends. What it records of its last job is still accepted."
    )
    claims = (
        Claim(topic=Topic.MULTI_PROCESS, promised=True, sentence=ONLY_ONE, where="docs, Discussions"),
        Claim(topic=Topic.KEEPS_WAITING, promised=True, sentence=LIVES, where="docs, retry strategy"),
        Claim(topic=Topic.KEEPS_JOBS, promised=True, sentence=LIVES, where="docs, retry strategy"),
        Claim(topic=Topic.MAX_ATTEMPTS, promised=True, sentence=ATTEMPTS, where="docs, retry strategy"),
        Claim(
            topic=Topic.RECOVERY,
            promised=True,
            sentence=RETRIED,
            where="docs, Retry stalled jobs",
            configuration="with retry_stalled_jobs",
        ),
        Claim(
            topic=Topic.RECOVERY,
            promised=False,
            sentence=FOREVER,
            where="docs, Retry stalled jobs",
            configuration="no housekeeping",
        ),
    )

    def reset(self, place: Path) -> None:
        """Apply the schema, once."""
        empty_database(place, create)

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the application, with the task."""
        connector = procrastinate.PsycopgConnector(conninfo=database_of(place), min_size=1, max_size=1)
        app = procrastinate.App(connector=connector)

        @app.task(name="job", retry=2)  # type: ignore[untyped-decorator]
        def job(key: str) -> None:
            process.handle(key)

        process.run(app.open_async())
        return app, job, process

    def enqueue(self, session: Any, key: str) -> None:
        """Defer the task."""
        session[2].run(session[1].defer_async(key=key))

    def drain(self, session: Any) -> None:
        """Run the worker until no job is left."""
        app, _, process = session
        process.run(app.run_worker_async(wait=False, listen_notify=False, install_signal_handlers=False))

    def housekeep(self, session: Any) -> None:
        """Retry the stalled jobs. It is a task: if it fails, its worker goes on."""
        app, _, process = session

        async def retry_stalled_jobs() -> None:
            for job in await app.job_manager.get_stalled_jobs():
                await app.job_manager.retry_job(job)

        with suppress(procrastinate.exceptions.ConnectorException):
            process.run(retry_stalled_jobs())

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table."""
        rows = rows_of(place, "SELECT args->>'key', status::text FROM procrastinate_jobs")
        return {key: Status(STATUS[status]) for key, status in rows}


class WithoutHousekeeping(Procrastinate):
    """The same, and nothing runs from time to time."""

    configuration = "no housekeeping"

    def housekeep(self, session: Any) -> None:
        """Do nothing."""


RETRYING = Procrastinate()
PLAIN = WithoutHousekeeping()
