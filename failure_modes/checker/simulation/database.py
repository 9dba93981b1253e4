"""The database of a world, as the world uses it. Each engine implements this protocol."""

from collections.abc import Callable
from typing import Any, Protocol

from failure_modes.checker.simulation.constraints import Constraints
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.stepping import ConnectingProcess, SteppingConnection
from failure_modes.checker.simulation.virtual_clock import VirtualClock


class Database(Protocol):
    """A database that no other world uses. The layout of the subject says which tables are its content."""

    location: str
    """The path or the address that a subject opens."""

    @property
    def observer(self) -> Any:
        """The reader of the rows for an oracle. `observe` sets it."""
        ...

    @property
    def gateway_target(self) -> str:
        """The file in which the gateway keeps its charges, or `:memory:`."""
        ...

    @property
    def overlaps(self) -> bool:
        """True if transactions that touch different rows may be open at the same time."""
        ...

    def observe(self, clock: VirtualClock) -> None:
        """Open the database for the world itself, and set `observer`."""
        ...

    def connection(self, process: ConnectingProcess, target: str, *, again: bool) -> SteppingConnection:
        """A connection that pauses the process. `again`: the process has opened one before."""
        ...

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if a later process of the same name cannot reuse the connection."""
        ...

    def read(self) -> Content:
        """The rows of the state."""
        ...

    def write(self, wanted: Content, present: Callable[[], Content], *, empty_audit: bool) -> None:
        """Change the present rows to the wanted ones. Empty the audit if `empty_audit` is true."""
        ...

    def start_over(self) -> bool:
        """Be as a new database. The processes must be dead.

        Returns False if their connections are lost, although `is_lost` says nothing of them.
        """
        ...

    def audit_end(self, content: Content) -> int:
        """The id of the last audit row after this content was restored."""
        ...

    def everything(self) -> Content:
        """Every row of every table."""
        ...

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        ...

    def constraints(self) -> Constraints | None:
        """The constraints of each table of the state; None if they are not known."""
        ...

    def close(self) -> None:
        """Close the database. The processes and the gateway must be closed before."""
        ...
