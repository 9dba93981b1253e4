"""Three home-made tables, as many projects have them: two with a classic fault, and one that is right.

One selects a job and then updates it, in two statements without a transaction. One takes the newest job
first. The right one claims the oldest job with one statement, and a worker acknowledges only its own claim.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from failure_modes.checker.simulation.foreign import ForeignContext, JobFailed
from failure_modes.checker.subject.adapter import Adapter, Claim, Status, Topic

SCHEMA = (
    "CREATE TABLE job (id INTEGER PRIMARY KEY, key TEXT, status TEXT DEFAULT 'waiting', "
    "attempts INTEGER DEFAULT 0, claim INTEGER DEFAULT 0, expires REAL)"
)
LEASE_SECONDS = 60.0
ATTEMPTS_MAX = 3


class RightTable(Adapter):
    """A table that claims with one statement, fences its acknowledgements, and counts each attempt."""

    name = "a table done right"
    attempts_max = ATTEMPTS_MAX
    lease_seconds = LEASE_SECONDS
    claims = tuple(
        Claim(topic=topic, promised=True, sentence=topic.name, where="tests/subjects/tables.py")
        for topic in Topic
    )

    def reset(self, place: Path) -> None:
        """Make the table."""
        with closing(self._connect(place)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SCHEMA)

    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open a connection."""
        return self._connect(place), process

    def enqueue(self, session: Any, key: str) -> None:
        """Insert a job."""
        session[0].execute("INSERT INTO job (key) VALUES (?)", (key,))

    def drain(self, session: Any) -> None:
        """Claim, run and finish jobs until there is none."""
        import time

        connection, process = session
        while True:
            taken = self.take(connection, time.time())
            if taken is None:
                return
            key, claim = taken
            try:
                process.handle(key)
                self.finish(connection, key, claim, "done")
            except JobFailed:
                self.finish(connection, key, claim, "waiting")

    order = "id"
    """The order in which jobs are taken."""

    def take(self, connection: Any, now: float) -> Any:
        """Claim the first free job, in one statement."""
        rows = connection.execute(
            "UPDATE job SET status = 'running', attempts = attempts + 1, claim = claim + 1, expires = ? "
            "WHERE id = (SELECT id FROM job WHERE status = 'waiting' AND attempts < ? "
            f"ORDER BY {self.order} LIMIT 1) RETURNING key, claim",
            (now + LEASE_SECONDS, ATTEMPTS_MAX),
        ).fetchall()
        return rows[0] if rows else None

    def finish(self, connection: Any, key: str, claim: int, status: str) -> None:
        """Record the end of a job, if the claim is still ours."""
        connection.execute(
            "UPDATE job SET status = CASE WHEN ? = 'waiting' AND attempts >= ? THEN 'failed' ELSE ? END "
            "WHERE key = ? AND claim = ? AND status = 'running'",
            (status, ATTEMPTS_MAX, status, key, claim),
        )

    def housekeep(self, session: Any) -> None:
        """Take back the jobs whose lease has run out."""
        import time

        session[0].execute(
            "UPDATE job SET status = CASE WHEN attempts >= ? THEN 'failed' ELSE 'waiting' END "
            "WHERE status = 'running' AND expires <= ?",
            (ATTEMPTS_MAX, time.time()),
        )

    def observe(self, place: Path) -> Mapping[str, Status]:
        """The status of each job."""
        with closing(self._connect(place)) as connection:
            return {key: Status(status) for key, status in connection.execute("SELECT key, status FROM job")}

    def _connect(self, place: Path) -> Any:
        return sqlite3.connect(place / "jobs.db", isolation_level=None)


class FaultyTable(RightTable):
    """The classic fault: between the SELECT and the UPDATE another worker may select the same job."""

    name = "a table with select, then update"

    def take(self, connection: Any, now: float) -> Any:
        """Select the first free job; then claim it."""
        row = connection.execute(
            "SELECT key, claim FROM job WHERE status = 'waiting' AND attempts < ? ORDER BY id LIMIT 1",
            (ATTEMPTS_MAX,),
        ).fetchone()
        if row is None:
            return None
        connection.execute(
            "UPDATE job SET status = 'running', attempts = attempts + 1, claim = claim + 1, expires = ? "
            "WHERE key = ?",
            (now + LEASE_SECONDS, row[0]),
        )
        return row[0], row[1] + 1


class NewestFirst(RightTable):
    """The newest job comes first: an old one waits for as long as new ones come."""

    name = "a table with the newest job first"
    order = "id DESC"


RIGHT = RightTable()
FAULTY = FaultyTable()
NEWEST_FIRST = NewestFirst()
