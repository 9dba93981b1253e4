"""The server's own time functions, answered with the time of the world.

The queue reads the time with `pg_catalog.clock_timestamp()` and `pg_catalog.statement_timestamp()`, within
its statements. `install` replaces these functions, and the ones for the start of the transaction, in one
database: each is renamed, and a function of the same name takes its place. So the queue runs the same
text with its own code for the server's time, in a statement, in a default or in a trigger alike. Only the
constants of the SQL grammar, such as CURRENT_TIMESTAMP, still give the real time.

Each function answers as the server's would:

- `clock_timestamp()`: the time at which it is evaluated. In a statement that waited for a lock, the time at
  which the lock was granted;
- `statement_timestamp()`: the time at which the statement was sent, before it waited for any lock;
- `transaction_timestamp()` and `now()`: the time at which the transaction began.

The answer also comes back to the checker, so that the model knows the time that an operation read: the
function sets `application_name`, a setting whose changes the server reports with each answer, at no cost.
"""

from typing import Any

import psycopg
from attrs import define, field

Connection = psycopg.Connection[tuple[Any, ...]]

REPORT = "application_name"
"""The setting in which a session reports the last time that it read: a count, a space and the time. A session
of the world begins with the count 0."""

_ANSWER = """
CREATE FUNCTION pg_catalog.{name}() RETURNS timestamptz LANGUAGE plpgsql {volatility} AS $$
DECLARE
    session simulation.clock%ROWTYPE;
    answer bigint;
BEGIN
    SELECT * INTO session FROM simulation.clock WHERE pid = pg_catalog.pg_backend_pid();
    IF session.pid IS NULL THEN  -- a session of another program
        SELECT sent_at INTO answer FROM simulation.clock WHERE pid = 0;
    ELSE
        SELECT {source} INTO answer FROM simulation.clock WHERE pid = 0;
        PERFORM pg_catalog.set_config('{report}', pg_catalog.concat(
            pg_catalog.split_part(pg_catalog.current_setting('{report}'), ' ', 1)::bigint + 1, ' ', answer
        ), false);
    END IF;
    RETURN timestamptz 'epoch' + answer * interval '1 millisecond';
END $$
"""
_FUNCTIONS = (
    ("clock_timestamp", "VOLATILE", "clock.sent_at"),
    ("statement_timestamp", "STABLE", "session.sent_at"),
    ("transaction_timestamp", "STABLE", "session.began_at"),
    ("now", "STABLE", "session.began_at"),
)
"""Each function, how often the server may evaluate it, as in PostgreSQL, and the source of its answer."""

_TELL = (
    "INSERT INTO simulation.clock VALUES (0, %(now)s, %(now)s), (%(pid)s, %(began_at)s, %(sent_at)s)"
    " ON CONFLICT (pid) DO UPDATE SET began_at = EXCLUDED.began_at, sent_at = EXCLUDED.sent_at"
)


def install(control: Connection) -> None:
    """Replace the time functions of a database, for all of its sessions. The role must be a superuser."""
    control.execute(
        "CREATE SCHEMA simulation;"
        "CREATE TABLE simulation.clock (pid integer PRIMARY KEY, began_at bigint, sent_at bigint);"
        "INSERT INTO simulation.clock VALUES (0, 0, 0)"
    )
    for name, volatility, source in _FUNCTIONS:
        control.execute(f"ALTER FUNCTION pg_catalog.{name}() RENAME TO real_{name}".encode())
        text = _ANSWER.format(name=name, volatility=volatility, source=source, report=REPORT)
        control.execute(text.encode())


@define
class ServerTime:
    """What the sessions of one database answer when a statement reads the time."""

    _control: Connection
    _told: dict[int, tuple[int, int]] = field(factory=dict)
    """For each session the times at which its transaction began and its last statement was sent."""
    _now: int = 0

    def tell(self, pid: int, *, began_at: int, sent_at: int, now: int) -> None:
        """Set the times of a session and of the server. Nothing is sent if they are as they were."""
        if self._told.get(pid) != (began_at, sent_at) or self._now != now:
            values = {"pid": pid, "began_at": began_at, "sent_at": sent_at, "now": now}
            self._control.execute(_TELL, values)
            self._told[pid], self._now = (began_at, sent_at), now

    def tell_now(self, now: int) -> None:
        """Set the time of the server, for sessions that have no times of their own."""
        if self._now != now:
            self._control.execute("UPDATE simulation.clock SET sent_at = %s WHERE pid = 0", (now,))
            self._now = now


def report(connection: Connection) -> str:
    """The report of a session: it differs after each statement that read the time."""
    return connection.info.parameter_status(REPORT) or ""


def time_in(report: str) -> int:
    """The time in a report, in milliseconds."""
    return int(report.split()[1])
