"""The state of a process, as a value from which the process is restored.

The code of a process is a function of its intents, of the results of its statements and of the times that it
read. All of these are its *log*. If its system keeps nothing in memory between two operations, the log has
only the answer of an operation that has returned: the results of its statements were in variables that are
gone.
"""

from collections.abc import Hashable
from typing import Protocol

from attrs import frozen

from failure_modes.checker.simulation.stepping import PausePoint, StatementResult


@frozen
class Returned:
    """An operation of the system returned a value."""

    operation: str
    value: object
    expected: bool
    """True if the process has taken an intent whose transaction has not begun."""


Intent = Hashable
"""The action with which the schedule resumes a process. Only the program of the process reads it."""

Entry = Intent | StatementResult | int | Returned
"""An entry of a log: an intent, the result of a statement, a time, or the answer of an operation."""


@frozen
class SkipLockedRead:
    """A read with SKIP LOCKED: the ids of the rows that no transaction locked.

    `paused`: the statement has its snapshot, and has locked no row yet.
    """

    unlocked: tuple[int, ...]
    paused: bool = False


@frozen(kw_only=True)
class StepResult:
    """The result of a step from one boundary to the next. At most one transaction ends in a step."""

    ran: str | None = None
    """The statement that ran; None if only code ran."""
    committed: bool = False
    changed: bool = False
    rolled_back: bool = False
    blocked: bool = False
    ended: bool = False
    """True if the program has returned, and the process with it."""
    error: Exception | None = None
    problem: str | None = None
    """Why the statement failed."""
    skip_locked: "SkipLockedRead | None" = None
    """The read with SKIP LOCKED in this step."""
    answers: tuple[Hashable, ...] = ()
    """The answers of the system to its program, as the program reports them."""


@frozen(kw_only=True)
class ProcessSnapshot:
    """The state of a process. `log` has everything that happened since the process was last at rest."""

    at: PausePoint = PausePoint.IDLE
    at_rest: bool = True
    waits: bool = False
    in_transaction: bool = False
    current_job: int | None = None
    pending: Intent | None = None
    log: tuple[Entry, ...] = ()
    place_at_server: int = 0
    """The place among the processes whose statement is at the server; 0 if this one has none there."""
    visible: tuple[frozenset[int], ...] = ()
    """The ids that were visible at each read with SKIP LOCKED of the transaction."""
    due_answer: Hashable | None = None
    """The answer that the system owes for the transaction that was committed."""


class ProcessState(Protocol):
    """The boundary of a process: the process itself has it, and so does its `ProcessSnapshot`."""

    @property
    def at(self) -> PausePoint:
        """The boundary at which the process is paused."""
        ...

    @property
    def at_rest(self) -> bool:
        """True if nothing has happened since the process started, slept, or finished an intent."""
        ...

    @property
    def waits(self) -> bool:
        """True if the process waits for a lock."""
        ...

    @property
    def in_transaction(self) -> bool:
        """True if the process has a transaction open."""
        ...

    @property
    def current_job(self) -> int | None:
        """The id of the job that the program works on."""
        ...

    @property
    def pending(self) -> Intent | None:
        """The intent that the transaction carries out; None if there is none."""
        ...


AT_REST = ProcessSnapshot()
"""The snapshot of a fresh process."""


def in_transaction(processes: tuple[ProcessSnapshot, ...], *, but: int | None = None) -> bool:
    """True if a process has a transaction open. The process at the place `but` does not count."""
    places = [place for place, process in enumerate(processes) if process.in_transaction]
    return places not in ([], [but])
