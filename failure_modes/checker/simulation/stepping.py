"""A connection that pauses the process that uses it.

Every statement passes through `execute`, so at every statement the schedule can switch to another process
or let this one crash. No pause is placed by hand, and the system does not know of them. When the process is
dead, each call raises `Crashed` again: no `finally` and no `except` can make anything durable.

The log keeps the result of each statement. A restored process gets the results from its log, and the
statements do not run again.
"""

from abc import abstractmethod
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from attrs import evolve, frozen

from failure_modes.checker.simulation.sql_text import label as label
from failure_modes.checker.simulation.sql_text import table_of as table_of
from failure_modes.checker.simulation.sql_text import verb_of as verb_of
from failure_modes.checker.support.errors import SubjectError

Row = tuple[Any, ...]


READ_ONLY_VERBS = ("BEGIN", "SELECT", "COMMIT", "ROLLBACK")
"""The verbs of the statements that change no row."""

CALL = "CALL"
"""The name of a gateway call in records, where a statement has its verb."""


class Crashed(BaseException):
    """The process is dead. The system never catches this, so no code after it runs."""


class PausePoint(StrEnum):
    """The boundary at which a process is paused."""

    BEGIN = "before a transaction"
    STATEMENT = "before a statement"
    COMMITTED = "after COMMIT, before the process knows"
    HANDLER = "in the handler"
    HUNG = "in a handler that does not return"
    REPLY = "after the gateway's work, before its reply"
    IDLE = "waiting for an intent"


@frozen
class StatementResult:
    """A statement and its result: its rows, the id of the inserted row, or the error that it raised.

    `status` is the server's command status, where there is one.
    """

    sql: str
    parameters: tuple[Any, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    lastrowid: int | None = None
    error: tuple[str, int | str] | None = None
    """The text and the code."""
    in_transaction: bool = False
    """True if a transaction is open after the statement."""
    status: str | None = None
    read_at: int | None = None
    """The last time, in milliseconds, that the statement read from the server; None if it read none."""

    @property
    def problem(self) -> str | None:
        """Why the statement failed, in one line."""
        return None if self.error is None else self.error[0].splitlines()[0]


class StatementLog(Protocol):
    """The log of a process, as its connection sees it."""

    @property
    def repeats(self) -> bool:
        """True if the last replayed statement belongs to the open transaction, which must lock again."""
        ...

    def statement(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult | None:
        """The recorded result of this statement; None if no entry is left."""
        ...


class SteppedProcess(Protocol):
    """The process, as its connection sees it."""

    dead: bool

    @property
    def loses_reply(self) -> bool:
        """True if the reply to the next COMMIT is lost."""
        ...

    @property
    def log(self) -> "StatementLog":
        """The recorded results of the statements."""
        ...

    def reached(self, at: PausePoint, statement: str) -> None:
        """Pause here if this is a boundary. Raises Crashed if the process dies here."""
        ...

    def record(self, ran: StatementResult) -> None:
        """Write the result of a statement to the log."""
        ...

    def read_time(self, at: int) -> None:
        """Record that a statement read the time of the server."""
        ...

    def refuse(self, error: BaseException) -> NoReturn:
        """Stop the process with an error: no later result of it can be trusted."""
        ...

    def blocked(self, statement: str, *, within: bool = False) -> None:
        """Pause until another process releases a lock; or within a statement, for no lock."""
        ...

    def began(self) -> None:
        """Record that a transaction began."""
        ...

    def skips_locked(self, unlocked: tuple[int, ...]) -> None:
        """Record a read with SKIP LOCKED, and the ids of the rows that no transaction locks at that time."""
        ...

    def failed(self) -> None:
        """Record that the transaction failed: its locks are released before its rollback."""
        ...

    def ended(self, *, committed: bool, changed: bool, read_only: bool) -> None:
        """Record that the transaction ended. `read_only`: none of its statements can change a row."""
        ...


class ConnectingProcess(SteppedProcess, Protocol):
    """A process that opens a connection."""

    name: str


class RowsOfStatement:
    """The rows of a statement that has run to its end, and so holds no lock."""

    def __init__(self, ran: StatementResult) -> None:
        self._rows = iter(ran.rows)
        self.lastrowid = ran.lastrowid
        self.description = ran.columns
        self.statusmessage = ran.status

    def nextset(self) -> None:
        """Do nothing: of several statements in one, only the last one has rows."""

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return list(self._rows)

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class NotDeterministic(SubjectError):
    """A restored process did not do the same things in its replay."""


class SimulationPart:
    """A part of the simulation that a system may hold. Its memory is not memory of the system."""


class SteppingConnection(SimulationPart):
    """A connection of one virtual process. A statement that only sets the connection up makes no pause.

    The system can call `execute` and `close` only: any other method would bypass the boundaries.
    """

    def __init__(self, process: SteppedProcess) -> None:
        self._process = process
        self._read_only = True
        self.holds = False
        """True if a transaction is open, as the process sees it."""
        self.locked_at: int | None = None
        """On a server: the time at which the transaction got the last lock that it waited for, if it began
        earlier."""
        self.locked_before_writes_at: int | None = None
        """The same for the locks that it got before it first wrote a row."""

    @property
    def in_transaction(self) -> bool:
        """True if a transaction is open, as the system sees it: a dead process has nothing to roll back."""
        return self.holds and not self._process.dead

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Any:
        """Run one statement, with a pause at each of its boundaries."""
        process = self._process
        if process.dead:
            raise Crashed
        if self._sets_up(sql):
            return self._set_up(sql, parameters)
        begins = verb_of(sql) == "BEGIN" or not self.holds
        process.reached(PausePoint.BEGIN if begins else PausePoint.STATEMENT, sql)
        if begins:
            self._begins()
            self._read_only = True
            process.began()
        self._read_only = self._read_only and verb_of(sql) in READ_ONLY_VERBS
        ran = process.log.statement(sql, parameters)
        if ran is None:
            ran = self._live(sql, parameters)
        elif process.log.repeats and self._run(sql, parameters) != ran:
            process.refuse(NotDeterministic(f"{label(sql)} gave another result when it ran again"))
        if ran.read_at is not None:
            process.read_time(ran.read_at)
        self.holds = ran.in_transaction
        if ran.error is None and not ran.in_transaction:
            process.reached(PausePoint.COMMITTED, sql)
        if ran.error is not None:
            raise self._error(*ran.error)
        return RowsOfStatement(ran)

    def reopen(self) -> None:
        """Become the connection of a fresh process: no transaction is open."""
        self.holds = False

    def end_set_up(self) -> None:
        """End the set-up, where set-up statements look like others: from now on each statement can pause."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"under the checker every statement must go through execute, not through {name}")

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def kill(self, *, close: bool) -> bool:
        """Roll back, as the death of the process does. Returns True if a transaction was open."""

    @abstractmethod
    def _sets_up(self, sql: str) -> bool:
        """True if the statement only sets the connection up."""

    @abstractmethod
    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """Run a set-up statement, unless it ran on the connection before."""

    @abstractmethod
    def _begins(self) -> None:
        """Prepare for a transaction that is about to begin."""

    @abstractmethod
    def _changed(self) -> bool:
        """True if the transaction that ended changed a row."""

    @abstractmethod
    def _run(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult | None:
        """Run the statement to its end. Returns None if another process holds a lock that it needs."""

    @abstractmethod
    def _error(self, text: str, code: int | str) -> Exception:
        """The error that a recorded statement raised."""

    def _lost_reply(self) -> tuple[str, int | str]:
        """The error of a COMMIT that ran and whose reply was lost: its text and its code."""
        raise NotImplementedError("this connection loses no reply")

    def _live(self, sql: str, parameters: tuple[Any, ...]) -> StatementResult:
        process = self._process
        while (ran := self._run(sql, parameters)) is None:
            process.blocked(sql)
        if process.loses_reply and verb_of(sql) == "COMMIT" and ran.error is None:
            ran = evolve(ran, error=self._lost_reply())
        process.record(ran)
        if not ran.in_transaction:
            rolled_back = "ROLLBACK" in (verb_of(sql), ran.status)
            changed = not rolled_back and self._changed()
            process.ended(committed=not rolled_back, changed=changed, read_only=self._read_only)
        return ran
