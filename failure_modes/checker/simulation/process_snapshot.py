"""Where a process stands, and how it came there.

Its code is a function of what it was asked, what its statements gave and what it read from its clock. All
of that is its *log*. If its system keeps nothing between two operations, an operation that has come back is
in the log by its answer alone: what its statements gave it was in variables that are gone.
"""

from collections.abc import Hashable
from typing import Protocol

from attrs import frozen

from failure_modes.checker.simulation.stepping import PausePoint, StatementResult


@frozen
class Returned:
    """An operation of the system came back with a value."""

    operation: str
    value: object
    asked: bool
    """Whether what the process was last asked to do has yet to begin its transaction."""


Intent = Hashable
"""What a process is told when it is moved: an action of the schedule, which only its program reads."""

Entry = Intent | StatementResult | int | Returned
"""What a process was asked, what a statement gave it, a time that it read, or what an operation answered."""


@frozen
class Look:
    """The rows that nobody held when a process looked for some, by id; and the time that it had read."""

    unheld: tuple[int, ...]
    at: int | None


@frozen(kw_only=True)
class StepResult:
    """What a process did between two boundaries. At most one transaction ended in it."""

    ran: str | None = None
    """The statement that ran; None when only code did."""
    committed: bool = False
    changed: bool = False
    rolled_back: bool = False
    blocked: bool = False
    error: Exception | None = None
    problem: str | None = None
    """Why the statement failed."""
    look: "Look | None" = None
    """Where it looked for rows that nobody holds."""
    answers: tuple[Hashable, ...] = ()
    """What the system answered to its program, as the program reports it."""


@frozen(kw_only=True)
class ProcessSnapshot:
    """Where a process stands, and how it came there: `log` is all it has seen since it last was at rest."""

    at: PausePoint = PausePoint.IDLE
    at_rest: bool = True
    waits: bool = False
    in_transaction: bool = False
    current_job: int | None = None
    pending: Intent | None = None
    log: tuple[Entry, ...] = ()
    place_at_server: int = 0
    """Its place among those whose statement lies at a server; 0 if none does."""
    looks: tuple[frozenset[int], ...] = ()
    """What its transaction could see each time that it looked for rows that nobody holds."""
    expected: Hashable | None = None
    """What the system must answer to its program, now that the transaction is committed."""


class Place(Protocol):
    """Where a process stands: the process itself, or its `ProcessSnapshot`."""

    @property
    def at(self) -> PausePoint:
        """What it is about to do."""
        ...

    @property
    def at_rest(self) -> bool:
        """Whether it has nothing in hand."""
        ...

    @property
    def waits(self) -> bool:
        """Whether it waits for a lock."""
        ...


AT_REST = ProcessSnapshot()
"""Where a fresh process stands."""
