"""The database of a world: what the world asks of it, on whatever engine it is."""

from collections.abc import Callable
from typing import Any, Protocol

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.host import VirtualClock
from failure_modes.checker.simulation.stepping import Connecting, SteppingConnection


class Database(Protocol):
    """A database that no other world uses. The content of it is what the subject declares."""

    location: str
    """What a subject opens: a path, or an address."""

    observer: Any
    """What reads the rows for an oracle, once the world has opened it."""

    @property
    def gateway_target(self) -> str:
        """Where the gateway of the world keeps its charges."""
        ...

    @property
    def overlaps(self) -> bool:
        """True if transactions that touch different rows may be open at the same time."""
        ...

    def observe(self, clock: VirtualClock) -> None:
        """Open it for the world itself."""
        ...

    def connection(self, process: Connecting, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        ...

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if no later process of the same name can have this connection."""
        ...

    def read(self) -> Content:
        """The rows of the state."""
        ...

    def write(self, wanted: Content, present: Callable[[], Content], *, audited: bool) -> None:
        """Make the rows what is wanted. Empty the audit, if it is `audited` that something happened."""
        ...

    def audit_end(self, content: Content) -> int:
        """The id of the last audit row when the database has been restored to this content."""
        ...

    def everything(self) -> Content:
        """Every row of every table there is."""
        ...

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        ...

    def close(self) -> None:
        """Let go of it, after each process and the gateway have."""
        ...
