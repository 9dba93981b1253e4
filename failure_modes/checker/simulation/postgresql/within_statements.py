"""A pause within a statement: it has its snapshot, and has not locked a row yet.

At READ COMMITTED a statement sees the commits from before it began. A statement with SKIP LOCKED then locks
rows that it has seen, and waits for none. So another transaction can change a row and commit in between. No
schedule of whole statements reaches that moment, as nothing waits. Here the statement waits for the checker.

A policy of row level security on the table calls a function for each row that a statement reads. The function
takes an advisory lock of its session, which the control connection holds until the schedule lets the process
go on. No policy holds for a superuser, so a session that pauses takes another role. The text of the statement
is unchanged.
"""

from typing import Any

import psycopg
from attrs import define

from failure_modes.checker.simulation.subject import Layout

Connection = psycopg.Connection[tuple[Any, ...]]

_KEY = 0x47415445
_ROLE = "pg_monitor"
"""A role that each server has and that is no superuser. It gets its rights in this database only."""

_GATE = f"""
CREATE FUNCTION simulation.gate() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_lock_shared({_KEY}, pg_catalog.pg_backend_pid());
    PERFORM pg_catalog.pg_advisory_unlock_shared({_KEY}, pg_catalog.pg_backend_pid());
    RETURN true;
END $$
"""


def install(control: Connection, layout: Layout) -> None:
    """Make the policy on the table that statements with SKIP LOCKED read."""
    table = layout.skips_locked
    if table is not None:
        control.execute(_GATE.encode())
        for sql in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY gate ON {table} USING (simulation.gate()) WITH CHECK (true)",
            f"GRANT USAGE ON SCHEMA public, simulation TO {_ROLE}",
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {_ROLE}",
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {_ROLE}",
            f"GRANT SELECT ON simulation.clock TO {_ROLE}",
        ):
            control.execute(sql.encode())


def role_of(*, pauses: bool) -> str:
    """The statement that gives a session the role for which the policy holds, or its own."""
    return f"SET ROLE {_ROLE if pauses else 'none'}"


@define
class Gate:
    """The lock at which the statements of one session pause."""

    _control: Connection
    _pid: int
    is_shut: bool = False

    def shut(self) -> None:
        """Let the next statement that reads a row of the table pause."""
        self._control.execute("SELECT pg_advisory_lock(%s, %s)", (_KEY, self._pid))
        self.is_shut = True

    def open(self) -> None:
        """Let the statement go on. Does nothing if the gate is open."""
        if self.is_shut:
            self._control.execute("SELECT pg_advisory_unlock(%s, %s)", (_KEY, self._pid))
            self.is_shut = False
