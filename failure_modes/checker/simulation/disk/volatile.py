"""What of a database's files is on the disk for good, and what is not yet: what a loss of power may leave.

A write is kept for good once its file is synced; that a file is there, or is not, once its folder is. Until
then the disk may have kept it or not, in any order, a write also in part: a sector of 512 bytes is kept whole
or not at all. (After Thanumalayan Sankaranarayana Pillai and others, "All File Systems Are Not Created
Equal", OSDI 2014.)
"""

import random
from collections.abc import Callable, Iterable, Mapping

from attrs import evolve, field, frozen

from failure_modes.checker.simulation.disk.operations import (
    Create,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Write,
)

SECTOR_BYTES = 512

Image = Mapping[str, bytes]
"""The files that are there when power is back."""


@frozen
class _Inode:
    """A file, by whatever name. `unsynced` is what was written to it since it was last synced, in order."""

    kept: bytes
    unsynced: tuple[Write | Truncate, ...] = ()


@frozen
class Entry:
    """A change of the folder: this name now is that file, or none."""

    file: str
    inode: int | None


Change = Write | Truncate | Entry
"""What may be lost."""

Keep = Callable[[tuple[Change, ...]], Iterable[Change]]
"""Which of these changes the disk has kept."""


@frozen(kw_only=True)
class Disk:
    """The state of the disk, as a value. `after` an operation it is another."""

    inodes: tuple[_Inode, ...] = ()
    kept: Mapping[str, int] = field(factory=dict)
    """The folder, as it is on the disk for good."""
    seen: Mapping[str, int] = field(factory=dict)
    """The folder, as programs see it."""
    entries: tuple[Entry, ...] = ()
    """What was changed in the folder since it was last synced."""

    def after(self, operation: Operation) -> "Disk":
        """The state after the operation."""
        match operation:
            case SyncFolder():
                return evolve(self, kept=self.seen, entries=())
            case Create(file):
                entry = Entry(file, len(self.inodes))
                return evolve(
                    self,
                    inodes=(*self.inodes, _Inode(b"")),
                    seen={**self.seen, file: len(self.inodes)},
                    entries=(*self.entries, entry),
                )
            case Unlink(file):
                seen = {name: inode for name, inode in self.seen.items() if name != file}
                return evolve(self, seen=seen, entries=(*self.entries, Entry(file, None)))
            case Sync(file):
                inode = self.inodes[self.seen[file]]
                return self._with(file, _Inode(_changed(inode.kept, inode.unsynced)))
            case Write(file) | Truncate(file):
                inode = self.inodes[self.seen[file]]
                return self._with(file, _Inode(inode.kept, (*inode.unsynced, operation)))

    def _with(self, file: str, inode: _Inode) -> "Disk":
        at = self.seen[file]
        return evolve(self, inodes=(*self.inodes[:at], inode, *self.inodes[at + 1 :]))

    @property
    def all_kept(self) -> bool:
        """Whether nothing can be lost."""
        return not self.entries and not any(self.inodes[at].unsynced for at in self.kept.values())

    def image(self, keep: Keep) -> Image:
        """What is left when the disk has kept these changes, and no other."""
        folder = dict(self.kept)
        for entry in keep(self.entries):
            assert isinstance(entry, Entry), "what is kept is one of what was asked for"
            if entry.inode is None:
                folder.pop(entry.file, None)
            else:
                folder[entry.file] = entry.inode
        return {
            file: _changed(self.inodes[at].kept, keep(self.inodes[at].unsynced))
            for file, at in sorted(folder.items())
        }


def disk_of(files: Image) -> Disk:
    """A disk that has these files for good."""
    folder = {file: at for at, file in enumerate(sorted(files))}
    return Disk(inodes=tuple([_Inode(files[file]) for file in sorted(files)]), kept=folder, seen=folder)


def _changed(content: bytes, changes: Iterable[Change]) -> bytes:
    found = bytearray(content)
    for change in changes:
        match change:
            case Write(_, offset, data):
                found.extend(bytes(max(0, offset - len(found))))
                found[offset : offset + len(data)] = data
            case Truncate(_, size):
                del found[size:]
                found.extend(bytes(size - len(found)))
    return bytes(found)


def everything(changes: tuple[Change, ...]) -> Iterable[Change]:
    """The disk had kept all, though it was not told to."""
    return changes


def nothing(changes: tuple[Change, ...]) -> Iterable[Change]:
    """The disk had kept only what it was told to."""
    del changes
    return ()


def some_of(chance: random.Random) -> Keep:
    """The disk had kept some changes, in any order. A name in the folder is as it once was."""

    def keep(changes: tuple[Change, ...]) -> Iterable[Change]:
        return [change for change in changes if chance.random() < 0.5]

    return keep


def torn(chance: random.Random) -> Keep:
    """The disk had kept some sectors."""

    def keep(changes: tuple[Change, ...]) -> Iterable[Change]:
        pieces = [piece for change in changes for piece in _pieces(change)]
        return [piece for piece in pieces if chance.random() < 0.5]

    return keep


def _pieces(change: Change) -> list[Change]:
    if not isinstance(change, Write):
        return [change]
    pieces: list[Change] = []
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        until = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        pieces.append(Write(change.file, at, change.data[at - change.offset : until - change.offset]))
        at = until
    return pieces
