"""The world in which power may fail: at any time it is known what its database's disk was told to keep.

When power fails every process dies, and the database is what the disk was told to keep and nothing else: the
worst that an honest disk may do. It may also have kept more, and a sector without the next; what that comes
to is looked at by the session `power`.

A state of this world is put back with its files as they were, each byte that the disk was not told to keep
among them.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import field, frozen

from failure_modes.checker.experiment.scope import Scope, Swap, build_queue
from failure_modes.checker.simulation.content import AUDIT, Content, everything
from failure_modes.checker.simulation.disk.images import clear_away, files_of, lay_out, read_image
from failure_modes.checker.simulation.disk.operations import Operation
from failure_modes.checker.simulation.disk.vfs import watched_target, watching
from failure_modes.checker.simulation.disk.volatile import Disk, disk_of, nothing
from failure_modes.checker.simulation.disk.volatile import everything as all_of_it
from failure_modes.checker.simulation.gateway import CHARGES
from failure_modes.checker.simulation.process_snapshot import Standing
from failure_modes.checker.simulation.world import World, fresh_database
from system.clock import ManualClock
from system.sqlite import SQLiteStore

DISK = "disk"
"""What the disk of a state stands under in its content, beside the tables."""


@frozen
class Held:
    """A disk; two are one where a loss of power would leave the same rows."""

    left: str
    """The rows, where they are not those that are there now."""
    disk: Disk = field(eq=False, repr=False)
    audit_end: int = field(eq=False, repr=False)


class PoweredWorld(World):
    """A world whose power may fail."""

    def __init__(self, scope: Scope, swap: Swap, *, path: Path | None = None, **options: Any) -> None:
        """Raises NoVFS where SQLite's file operations cannot be seen."""
        file = path or fresh_database(scope)
        if path is None:  # settings that a file keeps are made before anyone else has it open
            store = SQLiteStore(file, clock=ManualClock())
            build_queue(store, scope.settings, swap)
            store.close()
        self.operations: list[Operation] = []
        """What was done to the files since they were last told to another."""
        self.disk = disk_of(files_of(file))
        self.at_first = self.disk
        self._watching = ExitStack()
        self._watching.enter_context(watching(file, self._watch))
        super().__init__(scope, swap, path=file, **options)
        self._owns_path = path is None

    def note(self, operations: tuple[Operation, ...]) -> None:
        """These were carried out by a process elsewhere."""
        for operation in operations:
            self.disk = self.disk.after(operation)

    def _watch(self, operation: Operation) -> int:
        self.operations.append(operation)
        self.disk = self.disk.after(operation)
        return 0

    def _target(self, target: str) -> str:
        return watched_target(target)

    def lose_power(self) -> int:
        """Let power fail, and come back. Returns the id of the last row of the audit that is left."""
        self.settle()
        image = self.disk.image(nothing)  # what the death of a process does to the files is too late
        for process in self.processes.values():
            process.kill()
        self._lay_out(disk_of(image))
        self.changed = self.told = True
        return self._audit_end()

    def _lay_out(self, disk: Disk) -> None:
        self.observer.close()
        for connection, _ in self._pool.values():
            connection.close()
        self._pool.clear()
        self._queues.clear()
        lay_out(self._path, disk.image(all_of_it))
        self.disk = disk
        self._observe()

    def _audit_end(self) -> int:
        return int(self._own.execute(f"SELECT coalesce(max(id), 0) FROM {AUDIT}").fetchall()[0][0])

    def _read_content(self) -> Content:
        content = super()._read_content()
        if not self.restorable:
            return content
        left = ""
        if not self.disk.all_kept:
            image = read_image(fresh_database(), self.disk.image(nothing))
            left = "" if image == everything(self._own) else repr(image)
        return ((DISK, ((Held(left, self.disk, self._audit_end()),),)), *content)

    def audit_before(self, content: Content) -> int:
        """The last row of the audit when the content was read: it is put back with the files."""
        held: Held = content[0][1][0][0]
        return held.audit_end

    def put_back(self, content: Content, now: int, standings: tuple[Standing, ...]) -> None:
        """Be where a world of this scope once was. No process lives on: its connection may be closed."""
        for process in self.processes.values():
            process.kill()
        super().put_back(content, now, standings)

    def settle(self) -> None:
        """Let the files be what they were put back to."""
        if self._wanted is None:
            return
        held: Held = self._wanted[0][1][0][0]
        self._lay_out(held.disk)
        if self.gateway is not None:
            self.gateway.put_back(dict(self._wanted)[CHARGES])
        self._present, self._wanted = self._wanted, None
        self.changed = self.told = False

    def close(self) -> None:
        """Kill every process and remove the database."""
        with self._watching:
            super().close()
        if self._owns_path:
            clear_away(self._path)
