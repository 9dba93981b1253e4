"""The durable and the volatile part of a database's files: the volatile part may be lost with the power.

A write is durable when its file is synced; the creation or removal of a file, when its folder is synced.
Until then the disk may keep any of these changes, in any order, and may keep a write in part: a sector of 512
bytes is kept completely or not at all. (After Thanumalayan Sankaranarayana Pillai and others, "All File
Systems Are Not Created Equal", OSDI 2014.)
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
"""The files after a loss of power."""


@frozen
class _Inode:
    """A file without its name. `unsynced` has the writes since the last sync, in order."""

    kept: bytes
    unsynced: tuple[Write | Truncate, ...] = ()


@frozen
class Entry:
    """A change of the folder: the name now belongs to this inode, or to none."""

    file: str
    inode: int | None


Change = Write | Truncate | Entry
"""A change that may be lost."""

Keep = Callable[[tuple[Change, ...]], Iterable[Change]]
"""Chooses which of these changes the disk keeps."""


@frozen(kw_only=True)
class Disk:
    """The state of the disk, as a value."""

    inodes: tuple[_Inode, ...] = ()
    kept: Mapping[str, int] = field(factory=dict)
    """The durable folder."""
    seen: Mapping[str, int] = field(factory=dict)
    """The folder, as programs see it."""
    entries: tuple[Entry, ...] = ()
    """The changes of the folder since it was last synced."""

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
        """True if nothing can be lost."""
        return not self.entries and not any(self.inodes[at].unsynced for at in self.kept.values())

    def image(self, keep: Keep) -> Image:
        """The files after a loss of power, if the disk keeps these changes and no others."""
        folder = dict(self.kept)
        for entry in keep(self.entries):
            assert isinstance(entry, Entry), "a kept change is one of the changes that were passed"
            if entry.inode is None:
                folder.pop(entry.file, None)
            else:
                folder[entry.file] = entry.inode
        return {
            file: _changed(self.inodes[at].kept, keep(self.inodes[at].unsynced))
            for file, at in sorted(folder.items())
        }


def disk_of(files: Image) -> Disk:
    """A disk on which these files are durable."""
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


def keep_all(changes: tuple[Change, ...]) -> Iterable[Change]:
    """Keep all changes."""
    return changes


def keep_synced_only(changes: tuple[Change, ...]) -> Iterable[Change]:
    """Keep no change that was not synced."""
    del changes
    return ()


def keep_some_of(chance: random.Random) -> Keep:
    """Keep some changes, each by chance. A name in the folder then has one of its former files."""

    def keep(changes: tuple[Change, ...]) -> Iterable[Change]:
        return [change for change in changes if chance.random() < 0.5]

    return keep


def keep_sectors_of(chance: random.Random) -> Keep:
    """Keep some sectors, each by chance."""

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
