"""The queue of this project, by the same adapter as any other, and without its model."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import system
from failure_modes.checker import Adapter, Claim, ForeignContext, Status, Topic
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of
from system.clock import SystemClock
from system.worker import Worker

STATUS = {
    system.JobState.PENDING: Status.WAITING,
    system.JobState.RUNNING: Status.RUNNING,
    system.JobState.SUCCEEDED: Status.DONE,
    system.JobState.FAILED: Status.FAILED,
}
STATUSES = """
SELECT payload::json #>> '{}', CASE
    WHEN EXISTS (SELECT FROM executions WHERE job_id = jobs.id AND status = 'DONE') THEN 'done'
    WHEN EXISTS (
        SELECT FROM executions WHERE job_id = jobs.id AND status IN ('LEASED', 'IN_PROGRESS', 'COMMITTED')
    ) THEN 'running'
    WHEN available_at IS NULL THEN 'failed'
    ELSE 'waiting'
END FROM jobs
"""
DELIVERY = "at least once delivery, effect at most once"


def create(dsn: str) -> None:
    """Make the tables."""
    system.open(dsn, create=True).close()


class Ours(Adapter):
    """A worker drains the queue; housekeeping reconciles."""

    name = "reliability-habits"
    configuration = "SQLite"
    attempts_max = 3
    lease_seconds = 30.0
    claims = tuple(
        [Claim(topic=topic, promised=True, sentence=DELIVERY, where="system/__init__.py") for topic in Topic]
    )

    def database(self, place: Path) -> Path | str:
        """The file, or the database at a server."""
        return place / "queue.db"

    def reset(self, place: Path) -> None:
        """Make the database."""
        system.open(self.database(place)).close()

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the queue."""
        return system.open(self.database(place), lease_seconds=self.lease_seconds), process

    def enqueue(self, session: Any, key: str) -> None:
        """Enqueue a job."""
        session[0].enqueue(key, key=key)

    def drain(self, session: Any) -> None:
        """Run a worker until no job can be leased."""
        queue, process = session
        handler = lambda job, _: process.handle(job.payload)  # noqa: E731
        Worker(queue, handler, name=process.name, clock=SystemClock()).drain()

    def housekeep(self, session: Any) -> None:
        """Reconcile."""
        session[0].reconcile()

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Ask for each job, until there is no more."""
        found: dict[str, Status] = {}
        with system.open(self.database(place)) as queue:
            for number in count(1):
                try:
                    status = queue.job(number)
                except system.NoSuchJob:
                    return found
                found[str(status.job.payload)] = STATUS[status.state]
        raise AssertionError


class OnPostgreSQL(Ours):
    """The same on a server."""

    configuration = "PostgreSQL"
    seams = ("psycopg",)

    def database(self, place: Path) -> Path | str:
        """The database at a server."""
        return database_of(place)

    def reset(self, place: Path) -> None:
        """Make the tables, once."""
        empty_database(place, create)

    def observe(self, place: Path) -> Mapping[str, Status]:
        """Read the table: a connection for each look would cost more than the run."""
        return {key: Status(status) for key, status in rows_of(place, STATUSES)}


OURS = Ours()
POSTGRESQL = OnPostgreSQL()
