"""The world in which power may fail. It follows which bytes of the database are synced to the disk.

When power fails, every process dies, and the database has its synced bytes only: the worst case of an honest
disk. A disk may also keep some of the other bytes, sector by sector; the session `power` tries those cases.

A snapshot of this world has the whole disk. Restoring the snapshot restores the unsynced bytes, too.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from attrs import field, frozen

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.disk.images import files_of, read_image, remove_files, write_files
from failure_modes.checker.simulation.disk.operations import Operation
from failure_modes.checker.simulation.disk.vfs import watched_target, watching
from failure_modes.checker.simulation.disk.volatile import Disk, disk_of, keep_all, keep_synced_only
from failure_modes.checker.simulation.process_snapshot import ProcessSnapshot
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase, fresh_database, new_path
from failure_modes.checker.simulation.stepping import ConnectingProcess, SteppingConnection
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.world import World

DISK = "disk"
"""The name of the disk in a content, beside the names of the tables."""


@frozen
class DiskState:
    """A disk. Two states are equal if a loss of power leaves the same rows."""

    rows_after_power_loss: str
    """The rows after a loss of power; empty if these are the present rows."""
    disk: Disk = field(eq=False, repr=False)
    audit_end: int = field(eq=False, repr=False)


class PowerLossDatabase(SQLiteDatabase):
    """A database file. Each operation of SQLite on its files is watched."""

    def __init__(
        self, subject: Subject, *, path: Path | None = None, keeps_connections: bool = False
    ) -> None:
        """Raises NoVFS if this Python cannot watch SQLite's file operations."""
        file = path or fresh_database(subject)
        if path is None:
            subject.prepare(str(file))
        self.operations: list[Operation] = []
        """The operations on the files since `take_operations` was last called."""
        self.disk = disk_of(files_of(file))
        self.initial_disk = self.disk
        self._alive: set[SteppingConnection] = set()
        """The connections of processes that were opened since the files were last written."""
        self._watching = ExitStack()
        self._watching.enter_context(watching(file, self._watch))
        super().__init__(subject, path=file, keeps_connections=keeps_connections)
        self._owns_path = path is None

    def connection(self, process: ConnectingProcess, target: str, *, again: bool) -> SteppingConnection:
        """A connection that pauses the process."""
        connection = super().connection(process, target, again=again)
        self._alive.add(connection)
        return connection

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if the files were written again since the connection was opened."""
        return connection not in self._alive

    def apply(self, operations: tuple[Operation, ...]) -> None:
        """Apply the operations of a real process to the disk."""
        for operation in operations:
            self.disk = self.disk.after(operation)

    def take_operations(self) -> tuple[Operation, ...]:
        """Return the operations since the last call, and remove them."""
        operations = tuple(self.operations)
        self.operations.clear()
        return operations

    def read(self) -> Content:
        """The disk, and the rows of the state."""
        rows = ""
        if not self.disk.all_kept:
            image = read_image(new_path(), self.disk.image(keep_synced_only))
            rows = "" if image == self.everything() else repr(image)
        return ((DISK, ((DiskState(rows, self.disk, self.last_audit_id()),),)), *super().read())

    def write(self, wanted: Content, present: Callable[[], Content], *, empty_audit: bool) -> None:
        """Write the files of the snapshot again."""
        del present, empty_audit
        self.load(_disk_state(wanted).disk)

    def audit_end(self, content: Content) -> int:
        """The id of the last audit row when the content was read: the files have that row."""
        return _disk_state(content).audit_end

    def start_over(self) -> bool:
        """Write the first files again. The processes must be dead."""
        self.load(self.initial_disk)
        self.operations.clear()
        return True

    def load(self, disk: Disk) -> None:
        """Write the files of this disk, and open the database again."""
        self._close_connections()
        self._alive.clear()
        write_files(self.path, disk.image(keep_all))
        self.disk = disk
        self.observe(self._clock)

    def close(self) -> None:
        """Close each connection, and remove the files."""
        with self._watching:
            super().close()
        if self._owns_path:
            remove_files(self.path)

    def _watch(self, operation: Operation) -> int:
        self.operations.append(operation)
        self.disk = self.disk.after(operation)
        return 0

    def _target(self, target: str) -> str:
        is_uri = target.startswith("file:")
        return watched_target(target if is_uri else Path(target).absolute().as_uri())


class PowerLossWorld(World):
    """A world in which power may fail."""

    database: PowerLossDatabase

    def open_database(self, path: Path | None) -> PowerLossDatabase:
        """Open a database file whose disk is watched."""
        return PowerLossDatabase(self.subject, path=path, keeps_connections=self.keeps_connections)

    def lose_power(self) -> int:
        """Let power fail and return. Returns the id of the last audit row after it."""
        self.content.write_pending()
        image = self.database.disk.image(keep_synced_only)  # before the processes die and write
        for process in self.processes.values():
            process.kill()
        self.database.load(disk_of(image))
        self.content.note_commit()
        return self.database.last_audit_id()

    def restore(
        self,
        content: Content,
        now: int,
        snapshots: tuple[ProcessSnapshot, ...],
        skews: tuple[tuple[str, int], ...] = (),
    ) -> None:
        """Restore a snapshot. Every process is started again, since the restore closes all connections."""
        for process in self.processes.values():
            process.kill()
        super().restore(content, now, snapshots, skews)


def _disk_state(content: Content) -> DiskState:
    state: DiskState = content[0][1][0][0]
    return state
