"""A PostgreSQL connection that pauses the process that uses it, also where the server makes it wait.

All that psycopg waits for, it waits for in `Connection.wait`. There a statement that the server makes wait
for a lock becomes a process that is paused.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.stepping import (
    Answer,
    Crashed,
    Ran,
    Row,
    Stepped,
    SteppingConnection,
)

T = TypeVar("T")

LOOKING_MS = 2
"""How long an answer is waited for before the server is asked whether the statement waits for a lock."""

_CHANGES = ("INSERT", "UPDATE", "DELETE")
_NO_TIMEOUTS = (
    "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    " SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
)
_DEADLOCK = "deadlock detected", "40P01"


class PausingConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that tells, in the middle of a statement, that the server makes it wait."""

    _is_blocked: Callable[[], bool] | None = None
    """Asks whether it waits for a lock. None: nobody can hold one."""
    _pauses: Callable[[], None]

    def pause_by(self, pauses: Callable[[], None], is_blocked: Callable[[], bool] | None) -> None:
        """Let `pauses` be called where `is_blocked` says that it waits for a lock; never, if that is None."""
        self._is_blocked, self._pauses = is_blocked, pauses

    @contextmanager
    def without_pauses(self) -> Iterator[None]:
        """Inside, nobody is told that it waits."""
        asks, self._is_blocked = self._is_blocked, None
        try:
            yield
        finally:
            self._is_blocked = asks

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run the exchange with the server to its end, with pauses where it waits for a lock."""
        if self._is_blocked is None:
            return super().wait(gen, interval, timeout)
        poll = select.poll()
        try:
            wanted = next(gen)
            while True:
                poll.register(self.pgconn.socket, wanted_of(wanted))
                ready = poll.poll(LOOKING_MS)
                if ready:
                    wanted = gen.send(_ready_of(ready[0][1]))
                elif self._is_blocked():
                    self._pauses()
        except StopIteration as end:
            answer: T = end.value
            return answer

    def has_answer(self) -> bool:
        """Whether something has arrived."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))


def wanted_of(wait: int) -> int:
    """What psycopg waits for, as `poll` has it."""
    return (select.POLLIN if wait & 1 else 0) | (select.POLLOUT if wait & 2 else 0)


def _ready_of(event: int) -> int:
    reads = event & (select.POLLIN | select.POLLHUP | select.POLLERR)
    return (1 if reads else 0) | (2 if event & select.POLLOUT else 0)


class PostgreSQLStepping(SteppingConnection):
    """A PostgreSQL connection of one virtual process."""

    closed = False
    """As the process sees it."""

    def __init__(
        self,
        connection: PausingConnection,
        process: Stepped,
        backends: Backends,
        set_up: dict[tuple[str, tuple[Any, ...]], Ran],
        *,
        alone: bool,
    ) -> None:
        """`set_up`: what was asked to set the connection up; `alone`: no other transaction can be open."""
        super().__init__(process)
        self._connection = connection
        self._backends = backends
        self._made = set_up
        self._alone = alone
        self._statement = ""
        self._rows_changed = 0
        self._is_victim = self._under_way = False
        self.ghost: int | None = None
        """The number of the server's process, if a statement was left under way in it."""
        self._is_new = True
        """Whether it is still being set up."""
        connection.pause_by(self._pauses, None if alone else self._is_blocked)

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Any:
        """Run one statement, at the boundaries that it makes. What is put on record never changes."""
        return super().execute(
            sql, tuple([tuple(one) if isinstance(one, list) else one for one in parameters])
        )

    def is_set_up(self) -> None:
        """From now on each statement is a place to pause, for as long as the schedule says."""
        self._set_up(_NO_TIMEOUTS, ())
        self._is_new = False

    @property
    def pid(self) -> int:
        """The number of the server's process for it."""
        return self._connection.info.backend_pid

    def has_answer(self) -> bool:
        """Whether the answer to its statement has arrived."""
        return self._connection.has_answer()

    @property
    def under_way(self) -> int:
        """Its place among those whose statement lies at the server; 0 if its does not."""
        return self._backends.place_of(self)

    @property
    def waits(self) -> bool:
        """Whether its statement waits for a lock, and others can change that."""
        return self._backends.waits(self)

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    def kill(self, *, close: bool) -> bool:
        """End as a dead process does: what it had not committed is gone. Returns whether it held a lock.

        The server rolls back when it notices; a statement that waits for a lock still runs once it gets it.
        """
        del close
        held = self.holds
        if self._under_way:
            self._under_way, self.ghost = False, self.pid
            self._backends.abandon(self)
            self._connection.close()
        elif not self._connection.closed and self._is_open:
            with self._connection.without_pauses():
                self._connection.execute("ROLLBACK")
        self._backends.settle()
        return held

    @property
    def _is_open(self) -> bool:
        """Whether a transaction is open, or has failed and is not yet rolled back."""
        return self._connection.info.transaction_status is not TransactionStatus.IDLE

    def _is_blocked(self) -> bool:
        """A victim is not asked: until the server has cancelled its statement it seems to wait as before."""
        return not self._is_victim and self._backends.is_blocked(self)

    def _pauses(self) -> None:
        """Pause, with the statement under way. Whoever is moved while it waits for itself is the victim."""
        self._under_way = True
        self._process.blocked(self._statement)
        self._under_way = False
        if self._backends.is_deadlocked(self):
            self._is_victim = True
            self._backends.cancel(self)
        self._backends.goes_on(self)

    def _sets_up(self, sql: str) -> bool:
        del sql
        return self._is_new

    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        key = sql, parameters
        if key not in self._made:
            cursor = self._connection.execute(sql, parameters)
            rows = tuple(cursor.fetchall()) if cursor.description else ()
            self._made[key] = Ran(sql, parameters, rows=rows)
        return Answer(self._made[key])

    def _begins(self) -> None:
        self._rows_changed = 0

    def _changed(self) -> bool:
        return self._rows_changed > 0

    def _run(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """Run it to its end; it may pause on the way."""
        if "SKIP LOCKED" in sql and not self._alone:
            self._process.looks_for(self._backends.unheld())
        columns: tuple[str, ...] = ()
        rows: tuple[Row, ...] = ()
        problem: tuple[str, int | str] | None = None
        status = None
        self._statement, self._is_victim = sql, False
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
                self._rows_changed += max(0, cursor.rowcount)
        except psycopg.Error as error:
            if self._process.dead:
                raise Crashed from None
            if error.sqlstate is None:
                raise
            problem = _DEADLOCK if self._is_victim else (str(error).strip(), error.sqlstate)
        if problem is not None:  # the server has rolled back by now, and so let go of its locks
            self._process.let_go()
        return Ran(sql, parameters, columns, rows, None, problem, self._is_open, status)

    def _error(self, text: str, code: int | str) -> Exception:
        return errors.lookup(str(code))(text)
