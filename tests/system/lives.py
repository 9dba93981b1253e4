"""The life of a worker on a server that goes away and comes back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psycopg
import pytest
from psycopg import conninfo
from psycopg.pq import TransactionStatus

from system.clock import ManualClock
from system.postgresql import Connect, PostgreSQLStore
from system.postgresql.connecting import Connection
from system.postgresql.schema import TABLES
from system.postgresql.transaction import digest_of
from tests.system.connections import Watched, terminate
from tests.system.outages import KEYS, SHORT, check_jobs, outlive

START = 1_000_000


class Life:
    """A queue that is filled anew for each life of a worker."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        self.dsn = dsn
        self.name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
        self.behind = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        """A connection that nobody cuts."""
        self.observer = stack.enter_context(closing(PostgreSQLStore(dsn, clock=ManualClock())))
        keys = ", ".join([f"'{key}'" for key in KEYS])
        digests = ", ".join([f"'\\x{digest_of(key).hex()}'::bytea" for key in KEYS])
        self._fill = "".join([f"DELETE FROM {table};" for table in reversed(TABLES)]) + (
            "SELECT setval(pg_get_serial_sequence(name, 'id'), 1, false)"
            " FROM unnest(ARRAY['executions', 'effects', 'retries', 'audit']) AS name;"
            "INSERT INTO jobs"
            " (id, key, key_digest, payload, attempts_max, enqueued_at, available_at, timed, token)"
            f" SELECT row_number() OVER (), key, digest, '\"' || key || '\"', 3, {START}, {START}, FALSE, key"
            f" FROM unnest(ARRAY[{keys}], ARRAY[{digests}]) AS of (key, digest);"
            f"SELECT setval(pg_get_serial_sequence('jobs', 'id'), {len(KEYS)});"
        )

    def fill(self) -> None:
        """Two jobs that are as they were enqueued, and nothing else."""
        self.behind.execute(self._fill)

    def cut(self, watched: Watched) -> None:
        """End the session of a connection."""
        terminate(watched, self.behind)

    def live(
        self, connect: Connect, recover: Callable[[], object], begin: Callable[[], None], lasts: int = SHORT
    ) -> list[str]:
        """One worker, from before the outage until every job has ended. Returns what it told of."""
        opened: list[Connection] = []

        def remembered(dsn: str) -> Connection:
            opened.append(connect(dsn))
            return opened[-1]

        def at_rest() -> bool:
            return opened[-1].closed or opened[-1].info.transaction_status is TransactionStatus.IDLE

        told = outlive(
            self.observer,
            lambda clock: PostgreSQLStore(self.dsn, clock=clock, connect=remembered),
            recover,
            lasts=lasts,
            begin=begin,
            at_rest=at_rest,
        )
        check_jobs(self.observer)
        committed = [row.execution_id for row in self.observer.audit() if row.event == "committed"]
        failed = [row.execution_id for row in self.observer.audit() if row.event == "failed"]
        assert (len(committed), set(failed) & set(committed)) == (len(KEYS), set())
        return told


@pytest.fixture
def life(postgresql_queue_dsn: str) -> Iterator[Life]:
    """A queue, and lives on it."""
    with ExitStack() as stack:
        yield Life(postgresql_queue_dsn, stack)
