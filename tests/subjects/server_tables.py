"""Two home-made tables on PostgreSQL: one that is right, and two with a classic fault.

The right one takes a job with one statement and SKIP LOCKED, and a worker ends only its own claim.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from failure_modes.checker.simulation.foreign import ForeignContext, JobFailed
from failure_modes.checker.subject.adapter import Adapter, Status
from failure_modes.checker.subject.queue_database import database_of, empty_database, rows_of

SCHEMA = (
    "CREATE TABLE job (id serial PRIMARY KEY, key text, status text DEFAULT 'waiting', "
    "attempts int DEFAULT 0, claim int DEFAULT 0, expires timestamptz DEFAULT CURRENT_TIMESTAMP)"
)


def create(dsn: str) -> None:
    """Make the table."""
    with psycopg.connect(dsn) as connection:
        connection.execute(SCHEMA)


class RightTable(Adapter):
    """A table that takes a job with one statement, fences its ends, and counts each attempt."""

    name = "a table on PostgreSQL, done right"
    seams = ("psycopg",)
    attempts_max = 3

    def reset(self, place: Path) -> None:
        """Empty the table."""
        empty_database(place, create)

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open a connection."""
        return psycopg.connect(database_of(place)), process

    def enqueue(self, session: Any, key: str) -> None:
        """Insert a job."""
        with session[0].transaction():
            session[0].execute("INSERT INTO job (key) VALUES (%s)", (key,))

    def drain(self, session: Any) -> None:
        """Take, run and end jobs until there is none."""
        connection, process = session
        while (taken := self.take(connection)) is not None:
            key, claim = taken
            status = "done"
            try:
                process.handle(key)
            except JobFailed:
                status = "waiting"
            with connection.transaction():
                connection.execute(
                    "UPDATE job SET status = CASE WHEN %s = 'waiting' AND attempts >= 3 THEN 'failed' "
                    "ELSE %s END WHERE key = %s AND claim = %s AND status = 'running'",
                    (status, status, key, claim),
                )

    def take(self, connection: Any) -> Any:
        """Take the first free job, in one statement."""
        with connection.transaction():
            return connection.execute(
                "UPDATE job SET status = 'running', attempts = attempts + 1, claim = claim + 1, "
                "expires = now() + interval '60 s' WHERE id = (SELECT id FROM job WHERE status = 'waiting' "
                "ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING key, claim"
            ).fetchone()

    def housekeep(self, session: Any) -> None:
        """Take back the jobs whose lease has run out."""
        with session[0].transaction():
            session[0].execute(
                "UPDATE job SET status = CASE WHEN attempts >= 3 THEN 'failed' ELSE 'waiting' END "
                "WHERE status = 'running' AND expires <= CURRENT_TIMESTAMP"
            )

    def observe(self, place: Path) -> Mapping[str, Status]:
        """The status of each job."""
        return {key: Status(status) for key, status in rows_of(place, "SELECT key, status FROM job")}


class FaultyTable(RightTable):
    """The classic fault: another worker may select the same job before the UPDATE."""

    name = "a table on PostgreSQL, with SELECT and then UPDATE"

    def take(self, connection: Any) -> Any:
        """Select the first free job; then take it, after a wait for whoever takes it meanwhile."""
        with connection.transaction():
            row = connection.execute(
                "SELECT id FROM job WHERE status = 'waiting' ORDER BY id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            return connection.execute(
                "UPDATE job SET status = 'running', attempts = attempts + 1, claim = claim + 1, "
                "expires = now() + interval '60 s' WHERE id = %s RETURNING key, claim",
                row,
            ).fetchone()


RIGHT = RightTable()
FAULTY = FaultyTable()
