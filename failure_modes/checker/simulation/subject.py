"""The port: all that the simulation knows of the system under test.

A queue is a `Subject`: it has the programs of its processes, makes its database, declares the tables of its
state, and opens a reader of its rows for an oracle. Nothing in this module belongs to one queue only.

The port is in `simulation/`, because it uses processes and connections. The package `experiment/` must not
know these, and the simulation cannot import the package `subject/`.

The world calls the subject; a subject never calls the world. The simulation does not read the actions of a
schedule: it resumes a process with an *intent*, which only the program of the process reads.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

Program = Callable[[Any], None]
"""The program of a process. Its argument is a `ProcessContext`, from which it takes its intents.

A program rests before it does anything else, and whenever it has finished an intent. At rest it must equal a
program that has just been started.
"""


class Client(Protocol):
    """A process, as its system sees it: the clock, and the connections to the database."""

    name: str

    @property
    def files_stay(self) -> bool:
        """True if nothing can remove a file of the database: the system need not check that."""
        ...

    def connect(self, target: str) -> Any:
        """A connection that pauses the process."""
        ...

    def end_set_up(self) -> None:
        """End the set-up: from now on each statement of the connection can pause."""
        ...

    def now(self) -> int:
        """The time, in milliseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return at once: only the schedule lets time pass."""
        ...


@frozen(kw_only=True, eq=False)
class Layout:
    """Declares the tables of a subject's state, and the meaning of their columns."""

    tables: tuple[str, ...]
    """The tables of the state. None refers to a later one, and the first column of each is its id."""
    numbered: tuple[str, ...] = ()
    """The tables whose last id the database remembers: that id is part of the state."""
    audit: str | None = None
    """The table of events, which only grows. It is read after each action, and is no part of the state."""
    times: frozenset[str] = frozenset()
    """The columns, of tables and of answers, with a time in milliseconds."""
    ids: Mapping[str, str] = field(factory=dict)
    """The columns, of tables and of answers, with the id of a row of another table; and that table."""
    skips_locked: str | None = None
    """On a server: the table that statements with SKIP LOCKED read."""
    records: Mapping[str, str] = field(factory=dict)
    """The names of the classes of answers; and the table from which each is read."""


class Subject(Protocol):
    """The system under test, in one scope and with one fault at most."""

    @property
    def layout(self) -> Layout:
        """The tables of its state."""
        ...

    @property
    def database(self) -> str:
        """The kind of database that `create` makes. Subjects of one kind may use copies of one database."""
        ...

    @property
    def calls_gateway(self) -> bool:
        """True if its programs call the gateway of the world."""
        ...

    def programs(self) -> Mapping[str, Program]:
        """The program of each process, by the name of the process."""
        ...

    def create(self, location: str) -> None:
        """Make an empty database at a path without a file, or at an address without tables."""
        ...

    def prepare(self, location: str) -> None:
        """Make the settings that the database file keeps, before any process opens the file."""
        ...

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Any:
        """Open a reader of the rows for an oracle, with a connection from `connect`.

        `create`: make the tables first, since the connection has a new database in memory.
        """
        ...

    def open(self, process: Client, location: str) -> Any:
        """Open the system for a process: new objects, with connections from `process.connect`."""
        ...

    def keeps_nothing(self, part: Any) -> bool:
        """True for an object that is known to keep nothing in memory between two transactions."""
        ...

    def allows_answers_only(self, observer: Any) -> bool:
        """True if the log of a process may keep only the answer of an operation that has returned."""
        ...
