"""The server wakes an idle worker: LISTEN, and a NOTIFY in each transaction that enqueues a job.

The worker listens on a connection of its own, and only while it is idle: nothing piles up at the server while
it works. If that connection fails, the worker polls, and tries to listen again after a while.
"""

import select
from collections.abc import Callable
from contextlib import suppress

import psycopg

from system.clock import Clock, monotonic
from system.postgresql.connecting import Connection

CHANNEL = "reliability_queue"
NOTIFY = f"pg_catalog.pg_notify('{CHANNEL}', '')"
"""An expression that wakes the workers of the database when its transaction is committed.

Equal notices of one transaction are one. The server takes one lock for all commits with a notice, of any
database, so such commits are made one after the other.
"""


TRIES_AFTER_SECONDS = 10.0
_POLL_MS_MAX = 2**31 - 1
"""The system takes no longer wait: some 24 days."""


class Listening:
    """The waits of one worker. See `system.wakeups.Wakeups` for what each method promises."""

    def __init__(self, connect: Callable[[], Connection], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._connection: Connection | None = None
        self._listens = False
        self._tries_at = 0.0
        """The time, by `monotonic`, before which it does not listen again."""

    def wait(self, seconds: float) -> None:
        """Wait for a notice, and so long at most. The first wait only begins to listen.

        The worker looks once more then: a job that was enqueued before gave its notice to nobody.
        """
        if not self._listens and monotonic() < self._tries_at:
            self._clock.sleep(seconds)
            return
        try:
            if not self._listens:
                self._listen()
            elif self._has_notice(self._connected(), seconds):
                self.working()
        except (psycopg.Error, OSError):
            self._fail()
            self._clock.sleep(seconds)

    def working(self) -> None:
        """Listen no more, until the next wait."""
        if not self._listens:
            return
        try:
            self._connected().execute(f"UNLISTEN {CHANNEL}")
            self._listens = False
        except (psycopg.Error, OSError):
            self._fail()

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._listens = self._connection, None, False
        if connection is not None:
            with suppress(psycopg.Error, OSError):
                connection.close()

    def _fail(self) -> None:
        self.close()
        self._tries_at = monotonic() + TRIES_AFTER_SECONDS

    def _listen(self) -> None:
        self._connected().execute(f"LISTEN {CHANNEL}")
        self._listens = True

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.add_notify_handler(lambda _: None)  # else psycopg keeps each notice
        return self._connection

    def _has_notice(self, connection: Connection, seconds: float) -> bool:
        """True if a notice came in time. Raises psycopg.OperationalError if the connection is gone."""
        server = connection.pgconn
        if server.notifies() is not None:
            return True
        poll = select.poll()
        poll.register(server.socket, select.POLLIN)
        if not poll.poll(min(seconds * 1000, _POLL_MS_MAX)):
            return False
        server.consume_input()
        return server.notifies() is not None
