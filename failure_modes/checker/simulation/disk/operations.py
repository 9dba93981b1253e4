"""What SQLite does to the files of one database, as values.

A file goes by what its name adds to that of the database: nothing, `-wal`, `-journal`.
"""

from collections.abc import Callable

from attrs import frozen


@frozen
class Create:
    """A file that was not there is made, empty."""

    file: str


@frozen
class Write:
    """Bytes are written."""

    file: str
    offset: int
    data: bytes


@frozen
class Truncate:
    """The file is cut, or made longer."""

    file: str
    size: int


@frozen
class Sync:
    """The disk is told to keep what was written to the file."""

    file: str


@frozen
class Unlink:
    """The file is removed from its folder."""

    file: str


@frozen
class SyncFolder:
    """The disk is told to keep which files the folder has."""


Operation = Create | Write | Truncate | Sync | Unlink | SyncFolder

Watch = Callable[[Operation], int]
"""Is told of an operation before it is carried out: 0 to carry it out, or SQLite's number of an error."""
