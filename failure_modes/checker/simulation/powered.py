"""The world in which power may fail: at any time it is known what its database's disk was told to keep.

When power fails every process dies, and the database is what the disk was told to keep and nothing else: the
worst that an honest disk may do. It may also have kept more, and a sector without the next; what that comes
to is looked at by the session `power`.

A state of this world is restored with its files as they were, each byte that the disk was not told to keep
among them.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from attrs import field, frozen

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.disk.images import clear_away, files_of, lay_out, read_image
from failure_modes.checker.simulation.disk.operations import Operation
from failure_modes.checker.simulation.disk.vfs import watched_target, watching
from failure_modes.checker.simulation.disk.volatile import Disk, disk_of, nothing
from failure_modes.checker.simulation.disk.volatile import everything as all_of_it
from failure_modes.checker.simulation.host import VirtualClock
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase, fresh_database, new_path
from failure_modes.checker.simulation.stepping import Connecting, SteppingConnection
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.world import World

DISK = "disk"
"""What the disk of a state stands under in its content, beside the tables."""


@frozen
class Held:
    """A disk; two are one where a loss of power would leave the same rows."""

    left: str
    """The rows, where they are not those that are there now."""
    disk: Disk = field(eq=False, repr=False)
    audit_end: int = field(eq=False, repr=False)


class PoweredDatabase(SQLiteDatabase):
    """A database file whose disk is watched."""

    def __init__(self, subject: Subject, *, path: Path | None = None, restorable: bool = False) -> None:
        """Raises NoVFS where SQLite's file operations cannot be seen."""
        file = path or fresh_database(subject)
        if path is None:
            subject.prepare(str(file))
        self.operations: list[Operation] = []
        """What was done to the files since they were last told to another."""
        self.disk = disk_of(files_of(file))
        self.at_first = self.disk
        self._clock: VirtualClock
        self._alive: set[SteppingConnection] = set()
        """The connections of processes that were opened since the files were laid out."""
        self._watching = ExitStack()
        self._watching.enter_context(watching(file, self._watch))
        super().__init__(subject, path=file, restorable=restorable)
        self._owns_path = path is None

    def observe(self, clock: VirtualClock) -> None:
        """Open it for the world itself."""
        self._clock = clock
        super().observe(clock)

    def connection(self, process: Connecting, target: str) -> SteppingConnection:
        """A connection that pauses the process."""
        connection = super().connection(process, target)
        self._alive.add(connection)
        return connection

    def is_lost(self, connection: SteppingConnection) -> bool:
        """True if the files were laid out since it was opened."""
        return connection not in self._alive

    def note(self, operations: tuple[Operation, ...]) -> None:
        """These were carried out by a process elsewhere."""
        for operation in operations:
            self.disk = self.disk.after(operation)

    def taken(self) -> tuple[Operation, ...]:
        """What was done to the files since this was last asked."""
        operations = tuple(self.operations)
        self.operations.clear()
        return operations

    def read(self) -> Content:
        """The disk, and the rows of the state."""
        left = ""
        if not self.disk.all_kept:
            image = read_image(new_path(), self.disk.image(nothing))
            left = "" if image == self.everything() else repr(image)
        return ((DISK, ((Held(left, self.disk, self.last_audit_id()),),)), *super().read())

    def write(self, wanted: Content, present: Callable[[], Content], *, audited: bool) -> None:
        """Let the files be as they were."""
        del present, audited
        self.lay_out(_held(wanted).disk)

    def audit_end(self, content: Content) -> int:
        """The last row of the audit when the content was read: it is restored with the files."""
        return _held(content).audit_end

    def lay_out(self, disk: Disk) -> None:
        """Let this be the disk, and open it again."""
        self._close_connections()
        self._alive.clear()
        lay_out(self.path, disk.image(all_of_it))
        self.disk = disk
        self.observe(self._clock)

    def last_audit_id(self) -> int:
        """The id of the last row of the audit; 0 if there is none."""
        audit = self.subject.layout.audit
        if audit is None:
            return 0
        found = self._observing.execute(f"SELECT coalesce(max(id), 0) FROM {audit}").fetchall()
        return int(found[0][0])

    def close(self) -> None:
        """Close each connection, and remove the files."""
        with self._watching:
            super().close()
        if self._owns_path:
            clear_away(self.path)

    def _watch(self, operation: Operation) -> int:
        self.operations.append(operation)
        self.disk = self.disk.after(operation)
        return 0

    def _target(self, target: str) -> str:
        is_uri = target.startswith("file:")
        return watched_target(target if is_uri else Path(target).absolute().as_uri())


class PoweredWorld(World):
    """A world whose power may fail."""

    database: PoweredDatabase

    def open_database(self, path: Path | None) -> PoweredDatabase:
        """A file, whose disk is watched."""
        return PoweredDatabase(self.subject, path=path, restorable=self.restorable)

    def lose_power(self) -> int:
        """Let power fail, and come back. Returns the id of the last row of the audit that is left."""
        self.settle()
        image = self.database.disk.image(nothing)  # what the death of a process does to the files is too late
        for process in self.processes.values():
            process.kill()
        self.database.lay_out(disk_of(image))
        self.note_commit()
        return self.database.last_audit_id()

    def put_back(self, content: Content, now: int, standings: tuple[Standing, ...]) -> None:
        """Be where a world of this subject once was. No process lives on: its connection may be closed."""
        for process in self.processes.values():
            process.kill()
        super().put_back(content, now, standings)


def _held(content: Content) -> Held:
    held: Held = content[0][1][0][0]
    return held
