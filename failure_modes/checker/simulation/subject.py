"""The port: all that the simulation knows of what is under test.

A queue is a `Subject`: the programs of its processes, how its database is made, what makes up its state, and
what reads its rows for an oracle. Nothing here is of one queue, and no name here is a word of one queue.

The port lies in `simulation/`, the lowest package that works: it speaks of processes and connections, which
`experiment/` must not know, and `subject/` lies below, where the simulation cannot import it.

A subject says these things and does them for the world; it never calls the world. An action of a schedule is
none of the simulation's business either: a process is resumed with an *intent*, which its program reads.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

Program = Callable[[Any], None]
"""What a process runs. It is given a `ProcessContext`, and takes its intents from there.

It rests before it does anything, and whenever it is done. At rest it must be as if it had just been started.
"""


class Client(Protocol):
    """A process, as the system that it runs sees it: its clock, and its way to the database."""

    name: str

    def connect(self, target: str) -> Any:
        """A connection that pauses the process."""
        ...

    def is_set_up(self) -> None:
        """From now on each statement of the connection is a place to pause."""
        ...

    def now(self) -> int:
        """The time, in milliseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return at once: time passes when the schedule says so."""
        ...


@frozen(kw_only=True, eq=False)
class Layout:
    """Which rows make up the state of a subject, and what their columns mean. Declared, never guessed."""

    tables: tuple[str, ...]
    """The tables of the state, in an order in which none refers to a later one. Each begins with its id."""
    numbered: tuple[str, ...] = ()
    """Those for which the database remembers the last id it gave: that id is part of the state."""
    audit: str | None = None
    """The table of what has happened, which only grows. It is read after each action, and is no state."""
    times: frozenset[str] = frozenset()
    """The columns, of tables and of answers, that hold a time in milliseconds."""
    ids: Mapping[str, str] = field(factory=dict)
    """The columns, of tables and of answers, that hold the id of a row of another table; and that table."""
    skips_locked: str | None = None
    """On a server: the table whose rows a statement with SKIP LOCKED passes over, if others hold them."""
    records: Mapping[str, str] = field(factory=dict)
    """The classes, by name, whose objects an operation answers with; and the table that each is read from."""


class Subject(Protocol):
    """What is under test, made for one scope and with one fault at most."""

    @property
    def layout(self) -> Layout:
        """Which rows make up its state."""
        ...

    @property
    def database(self) -> str:
        """The kind of database that `create` makes. Subjects of one kind may use copies of one database."""
        ...

    @property
    def calls_gateway(self) -> bool:
        """True if its programs call the world's gateway."""
        ...

    def programs(self) -> Mapping[str, Program]:
        """The program of each process, by the name of the process."""
        ...

    def create(self, location: str) -> None:
        """Make an empty database there: a file that is not there yet, or an address with no table."""
        ...

    def prepare(self, location: str) -> None:
        """Make the settings that a file keeps, in a database of its own before any process opens it."""
        ...

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Any:
        """What reads the rows for an oracle, by a connection that `connect` gives.

        `create`: the connection is to an empty database, whatever lies at the location.
        """
        ...

    def open(self, process: Client, location: str) -> Any:
        """The system as that process has it: new objects, and connections that the process gives."""
        ...

    def keeps_nothing(self, part: Any) -> bool:
        """True for an object that is known to keep nothing between two transactions: it is not watched."""
        ...

    def remembers_answers_only(self, observer: Any) -> bool:
        """True if a process may forget of an operation that came back all but its answer."""
        ...
