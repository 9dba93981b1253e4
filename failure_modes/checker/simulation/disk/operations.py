"""The operations of SQLite on the files of one database, as values.

A file is named by its suffix to the name of the database: nothing, `-wal` or `-journal`.
"""

from collections.abc import Callable

from attrs import frozen


@frozen
class Create:
    """Create an empty file."""

    file: str


@frozen
class Write:
    """Write bytes."""

    file: str
    offset: int
    data: bytes


@frozen
class Truncate:
    """Set the size of a file."""

    file: str
    size: int


@frozen
class Sync:
    """Sync a file: its bytes survive a power loss."""

    file: str


@frozen
class Unlink:
    """Remove a file from its folder."""

    file: str


@frozen
class SyncFolder:
    """Sync the folder: the names of its files survive a power loss."""


Operation = Create | Write | Truncate | Sync | Unlink | SyncFolder

Watch = Callable[[Operation], int]
"""Is called before each operation. Returns 0 to carry it out, or the SQLite error code to fail with."""
