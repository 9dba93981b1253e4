"""A PostgreSQL connection that pauses its process at each boundary, and while the server blocks a statement.

psycopg waits for the server in `Connection.wait` and nowhere else. There, if the statement waits for a lock,
the process is paused.
"""

from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.postgresql.pausing_connection import PausingConnection
from failure_modes.checker.simulation.postgresql.server_time import ServerTime, report, time_in
from failure_modes.checker.simulation.postgresql.within_statements import Gate
from failure_modes.checker.simulation.stepping import (
    Crashed,
    Row,
    RowsOfStatement,
    StatementResult,
    SteppedProcess,
    SteppingConnection,
    verb_of,
)
from failure_modes.checker.simulation.virtual_clock import VirtualClock

_CHANGES = ("INSERT", "UPDATE", "DELETE")
_NO_TIMEOUTS = (
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    " SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
)
_DEADLOCK = "deadlock detected", "40P01"
_LOST = "server closed the connection unexpectedly", 0
"""The error of a COMMIT whose reply was lost with the connection: it has no code of the server."""


class PostgreSQLStepping(SteppingConnection):
    """A PostgreSQL connection of one virtual process."""

    closed = False
    """True if the process has lost the connection. The session at the server is another matter."""

    def __init__(
        self,
        connection: PausingConnection,
        process: SteppedProcess,
        backends: Backends,
        set_up: dict[tuple[str, tuple[Any, ...]], StatementResult],
        *,
        clock: VirtualClock,
        time: ServerTime,
        gate: Gate | None,
        alone: bool,
        again: bool = False,
    ) -> None:
        """`set_up`: the set-up statements that ran before; `alone`: no other transaction can be open.

        `again`: the process was connected before, and opens this connection in its work.
        `gate`: where statements with SKIP LOCKED pause, once they have their snapshot.
        """
        super().__init__(process)
        self._connection = connection
        self._backends = backends
        self._ran_before = set_up
        self._clock = clock
        self._time = time
        self._began_at = self._sent_at = 0
        self._gate = gate
        self._alone = alone
        self._statement = ""
        self._rows_changed = 0
        self._is_victim = self._is_running = False
        self.ghost: int | None = None
        """The process id of the session at the server, if its process died during a statement."""
        self._is_new = True
        """True until `end_set_up` is called, or until the first transaction of a connection `again`."""
        self._again = again
        connection.pause_by(self._pauses, None if alone else self._is_blocked)

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Any:
        """Run one statement, with a pause at each of its boundaries. Lists become tuples, for the log."""
        return super().execute(
            sql, tuple([tuple(one) if isinstance(one, list) else one for one in parameters])
        )

    def end_set_up(self) -> None:
        """End the set-up: from now on each statement can pause, without a timeout at the server."""
        self._set_up(_NO_TIMEOUTS, ())
        self._is_new = False

    @property
    def pid(self) -> int:
        """The process id of the session at the server."""
        return self._connection.info.backend_pid

    def has_answer(self) -> bool:
        """True if the answer to the statement has arrived."""
        return self._connection.has_answer()

    @property
    def place_at_server(self) -> int:
        """The place among the sessions whose statement is at the server; 0 if this one has none there."""
        return self._backends.place_of(self)

    @property
    def waits(self) -> bool:
        """True if the statement waits for a lock that another process can release."""
        return self._backends.waits(self)

    def stop_waiting(self) -> None:
        """Record the time at which the statement got its lock, if the transaction began at another time.

        An INSERT is left out. It waits while its keys are checked, and no time decides on these.
        """
        now = self._clock.now()
        if now > self._began_at and verb_of(self._statement) != "INSERT":
            self.locked_at = now

    def times(self) -> tuple[int, ...]:
        """The times that the open transaction may still read, or that its last read is compared with."""
        sent = (self._sent_at,) if self._is_running else ()
        locked = [at for at in (self.locked_at, self.locked_before_writes_at) if at is not None]
        return (self._began_at, *sent, *locked)

    def reopen(self) -> None:
        """Become the connection of a fresh process: no transaction is open, and nothing is lost."""
        super().reopen()
        self.closed = False

    def close(self) -> None:
        """Close the connection. One that was lost is closed: its session serves the next connection."""
        if not self.closed:
            self._connection.close()

    def kill(self, *, close: bool) -> bool:
        """Roll back, as the death of the process does. Returns True if a transaction was open.

        The server rolls back when it notices the death. A statement that waits for a lock becomes a ghost: it
        still runs when it gets the lock.
        """
        del close
        held = self.holds
        if not self._connection.closed:
            self._tell_time()  # another process may get its lock
        self._backends.stop_waiting_sessions()
        if self._is_running:
            self._is_running, self.ghost = False, self.pid
            self._backends.abandon(self)
            self._connection.close()
        elif not self._connection.closed and self._is_open:
            with self._connection.without_pauses():
                self._connection.execute("ROLLBACK")
        self._backends.wait_until_settled()
        return held

    @property
    def _is_open(self) -> bool:
        """True if a transaction is open, or has failed and is not rolled back yet."""
        return self._connection.info.transaction_status is not TransactionStatus.IDLE

    def _is_blocked(self) -> bool:
        """Ask the server, but not for a victim: it seems to wait until the server has cancelled it."""
        return not self._is_victim and self._backends.is_blocked(self)

    def _pauses(self) -> None:
        """Pause during the statement. If the process moves while it is in a deadlock, it is the victim."""
        self._is_running = True
        self._backends.wait_until_settled()
        if self._gate is not None and not self.place_at_server:
            self._process.blocked(self._statement, within=True)
            self._is_running = False
            self._tell_time()
            self._process.skips_locked(self._backends.unlocked(self._statement))
            self._gate.open()
            return
        self._process.blocked(self._statement)
        self._is_running = False
        self._is_victim = self._backends.is_deadlocked(self)
        self._backends.remove(self)
        if self._is_victim:
            self._backends.stop_waiting_sessions()
            self._backends.cancel(self)

    def _sets_up(self, sql: str) -> bool:
        if self._again and verb_of(sql) == "BEGIN":
            self._is_new = False
        return self._is_new

    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        key = sql, parameters
        if key not in self._ran_before:
            cursor = self._connection.execute(sql, parameters)
            rows = tuple(cursor.fetchall()) if cursor.description else ()
            self._ran_before[key] = StatementResult(sql, parameters, rows=rows)
        return RowsOfStatement(self._ran_before[key])

    def _begins(self) -> None:
        self._rows_changed = 0
        self._began_at, self.locked_at, self.locked_before_writes_at = self._clock.now(), None, None

    def _changed(self) -> bool:
        return self._rows_changed > 0

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult | None:
        """Run the statement to its end. The process may pause meanwhile."""
        if "SKIP LOCKED" in sql and not self._alone:
            self._process.skips_locked(self._backends.unlocked(sql))
            if self._gate is not None:
                self._gate.shut()
        columns: tuple[str, ...] = ()
        rows: tuple[Row, ...] = ()
        problem: tuple[str, int | str] | None = None
        status = None
        self._statement, self._is_victim = sql, False
        self._sent_at = self._clock.now()
        self._tell_time()
        before = report(self._connection)
        self._backends.stop_waiting_sessions()
        try:
            values = [list(one) if isinstance(one, tuple) else one for one in parameters]
            cursor = self._connection.execute(sql, values)
            while cursor.nextset():
                pass
            status = cursor.statusmessage
            if cursor.description:
                columns = tuple([column.name for column in cursor.description])
                rows = tuple(cursor.fetchall())
            if status is not None and status.startswith(_CHANGES):
                if not self._changed():
                    self.locked_before_writes_at = self.locked_at
                self._rows_changed += max(0, cursor.rowcount)
        except psycopg.Error as error:
            if self._process.dead:
                raise Crashed from None
            if error.sqlstate is None:
                raise
            problem = _DEADLOCK if self._is_victim else (str(error).strip(), error.sqlstate)
        finally:
            if self._gate is not None:
                self._gate.open()
            self._backends.wait_until_settled()
        if problem is not None:  # the server has released the locks of a failed transaction
            self._process.failed()
        after = report(self._connection)
        read_at = None if problem is not None or after == before else time_in(after)
        return StatementResult(sql, parameters, columns, rows, None, problem, self._is_open, status, read_at)

    def _tell_time(self) -> None:
        """Tell the server the time, before it runs a statement or releases a lock."""
        now = self._clock.now()
        self._time.tell(self.pid, began_at=self._began_at, sent_at=self._sent_at, now=now)

    def _lost_reply(self) -> tuple[str, int | str]:
        """The error of a COMMIT that ran, and whose reply was lost with the connection."""
        return _LOST

    def _error(self, text: str, code: int | str) -> Exception:
        if (text, code) == _LOST:  # also when a restored process meets it again
            self.closed = True
            return psycopg.OperationalError(text)
        return errors.lookup(str(code))(text)
