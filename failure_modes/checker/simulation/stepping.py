"""A connection that pauses the process that uses it.

Every statement passes through `execute`, so every statement is a place to switch to another process or to
crash, and none is placed by hand. The code above does not know. When the process is dead, each call raises
`Crashed` again: no `finally` and no `except` can make anything durable.

What a statement gave is put on record. A process that is brought back to where it stood is given what its
statements gave then, and they are not run again.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Any, NoReturn, Protocol

from attrs import frozen

from failure_modes.checker.support.errors import SubjectError

Row = tuple[Any, ...]


LOOKS = ("BEGIN", "SELECT", "COMMIT", "ROLLBACK")


CALL = "CALL"
"""What the books call a call of a gateway, as they call a statement by its verb."""


class Crashed(BaseException):
    """The process is dead. Never caught by the system: nothing after this point runs."""


class At(StrEnum):
    """What a paused process is about to do."""

    BEGIN = "before a transaction"
    STATEMENT = "before a statement"
    COMMITTED = "after COMMIT, before the process learns of it"
    HANDLER = "in the handler"
    REPLY = "after the gateway's work, before its reply"
    IDLE = "waiting to be asked"


@frozen
class Ran:
    """A statement, and what it gave: its rows, the id of the row it inserted, or the error it raised.

    `status` is the server's word for what it did, where there is one.
    """

    sql: str
    parameters: tuple[Any, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    lastrowid: int | None = None
    error: tuple[str, int | str] | None = None
    """The text and the code."""
    in_transaction: bool = False
    """Whether a transaction is open after it."""
    status: str | None = None

    @property
    def problem(self) -> str | None:
        """Why it failed, in one line."""
        return None if self.error is None else self.error[0].splitlines()[0]


class StatementLog(Protocol):
    """The log of a process, as its connection sees it."""

    @property
    def repeats(self) -> bool:
        """True if the statement fed last belongs to a transaction that is still open."""
        ...

    def statement(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """What this statement gave when it ran before; None if it never ran."""
        ...


class Stepped(Protocol):
    """The process, as its connection sees it."""

    dead: bool

    @property
    def log(self) -> "StatementLog":
        """What its statements gave when they ran before."""
        ...

    def reached(self, at: At, statement: str) -> None:
        """Pause here if this is a boundary. Raises Crashed if the process dies here."""
        ...

    def record(self, ran: Ran) -> None:
        """Put on record what a statement gave."""
        ...

    def refuse(self, error: BaseException) -> NoReturn:
        """Stop: nothing that is found from here on can be trusted."""
        ...

    def blocked(self, statement: str) -> None:
        """Pause until another process has let go of a lock."""
        ...

    def began(self) -> None:
        """A transaction began."""
        ...

    def looks_for(self, unheld: tuple[int, ...]) -> None:
        """It is about to look for rows that nobody holds: these are the ones."""
        ...

    def let_go(self) -> None:
        """Its transaction failed, and its locks are gone before it has been rolled back."""
        ...

    def ended(self, *, committed: bool, changed: bool, looked: bool) -> None:
        """The transaction ended; `looked` when all its statements were ones that only look."""
        ...


class Connecting(Stepped, Protocol):
    """A process that asks for a connection."""

    name: str


class Answer:
    """The rows of a statement, which has run to its end: it holds no lock."""

    def __init__(self, ran: Ran) -> None:
        self._rows = iter(ran.rows)
        self.lastrowid = ran.lastrowid
        self.description = ran.columns
        self.statusmessage = ran.status

    def nextset(self) -> None:
        """Of several statements in one the last one's rows are here."""

    def fetchall(self) -> list[Row]:
        """The rows that are left."""
        return list(self._rows)

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class NotTheSame(SubjectError):
    """A process that was brought back to where it stood did not come there by the same way."""


class OfSimulation:
    """A part of the simulation that a system may hold: what it remembers is no secret of the system's."""


class SteppingConnection(OfSimulation):
    """A connection of one virtual process. What sets a connection up passes without a pause: it does no work.

    Only `execute` and `close` are there: all else would pass every boundary by.
    """

    def __init__(self, process: Stepped) -> None:
        self._process = process
        self._looked = True
        self.holds = False
        """Whether a transaction is open, as the process sees it."""

    @property
    def in_transaction(self) -> bool:
        """The same, to the code that is run: a dead process has nothing to roll back."""
        return self.holds and not self._process.dead

    def execute(self, sql: str, parameters: tuple[Any, ...] = (), /) -> Any:
        """Run one statement, at the boundaries that it makes."""
        process = self._process
        if process.dead:
            raise Crashed
        if self._sets_up(sql):
            return self._set_up(sql, parameters)
        alone = verb_of(sql) == "BEGIN" or not self.holds
        process.reached(At.BEGIN if alone else At.STATEMENT, sql)
        if alone:
            self._begins()
            self._looked = True
            process.began()
        self._looked = self._looked and verb_of(sql) in LOOKS
        ran = process.log.statement(sql, parameters)
        if ran is None:
            ran = self._live(sql, parameters)
        elif process.log.repeats and self._run(sql, parameters) != ran:
            process.refuse(NotTheSame(f"{label(sql)} gave something else when it was run again"))
        self.holds = ran.in_transaction
        if ran.error is None and not ran.in_transaction:
            process.reached(At.COMMITTED, sql)
        if ran.error is not None:
            raise self._error(*ran.error)
        return Answer(ran)

    def reopen(self) -> None:
        """Be the connection of a fresh process: no transaction is open."""
        self.holds = False

    def is_set_up(self) -> None:
        """From now on each statement is a place to pause, where the set-up is not known by its statements."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"under the checker every statement goes through execute, and not {name}")

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    @abstractmethod
    def kill(self, *, close: bool) -> bool:
        """End as a dead process does: what it had not committed is gone. Returns whether it held a lock."""

    @abstractmethod
    def _sets_up(self, sql: str) -> bool:
        """Whether the statement only sets the connection up."""

    @abstractmethod
    def _set_up(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """Run a statement that does so. What was set on the connection before is not set again."""

    @abstractmethod
    def _begins(self) -> None:
        """A transaction is about to begin."""

    @abstractmethod
    def _changed(self) -> bool:
        """Whether the transaction that has ended changed a row."""

    @abstractmethod
    def _run(self, sql: str, parameters: tuple[Any, ...]) -> Ran | None:
        """Run it to its end. None when another process holds a lock that it needs, and it is not waiting."""

    @abstractmethod
    def _error(self, text: str, code: int | str) -> Exception:
        """The error that a statement on record raised."""

    def _live(self, sql: str, parameters: tuple[Any, ...]) -> Ran:
        process = self._process
        while (ran := self._run(sql, parameters)) is None:
            process.blocked(sql)
        process.record(ran)
        if not ran.in_transaction:
            rolled_back = "ROLLBACK" in (verb_of(sql), ran.status)
            changed = not rolled_back and self._changed()
            process.ended(committed=not rolled_back, changed=changed, looked=self._looked)
        return ran


@cache
def verb_of(sql: str) -> str:
    """The word that a statement begins with; of several in one (WITH) the first that changes something."""
    verb = sql.split(None, 1)[0].upper()
    if verb != "WITH":
        return verb
    changing = re.search(r"(?<!FOR )(?<!FOR NO KEY )\b(?:INSERT|UPDATE|DELETE)\b", sql)
    return changing.group() if changing else "SELECT"


@cache
def label(sql: str) -> str:
    """A statement in a word or two: its verb and its table."""
    verb = verb_of(sql)
    if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
        return verb
    table = table_of(sql)
    return f"{verb} {table}" if table else verb


@cache
def table_of(sql: str) -> str | None:
    """The table that a statement names first."""
    found = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", sql)
    return found.group(1) if found else None
