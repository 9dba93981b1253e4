"""Watches SQLite's file operations with a VFS inside the library that the `sqlite3` module uses.

The VFS calls the watcher of the database before each operation that changes a file, and then lets the usual
VFS carry it out (SQLite, "The SQLite OS Interface or VFS"). The sync of a folder is seen by the system call
with which the usual VFS opens the folder.

This needs a Python whose `sqlite3` module makes the functions of SQLite visible. `require` raises the reason
if it does not.
"""

import _sqlite3
import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

from failure_modes.checker.simulation.disk.operations import (
    Create,
    Operation,
    Sync,
    SyncFolder,
    Truncate,
    Unlink,
    Watch,
    Write,
)
from failure_modes.checker.support.errors import NotInstalled

NAME = "watched"
_OPEN_CREATE = 0x4
_CALLS = 11, 12
"""The indices of `xSetSystemCall` and `xGetSystemCall` among the other functions of a VFS."""


class NoVFS(NotInstalled):
    """SQLite's file operations cannot be watched here. The message says why; tests of them are skipped."""


class _VFS(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("path_max", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("others", c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("others", c_void_p * 13),
    )


class _File(ctypes.Structure):
    """`sqlite3_file`. The fields after the methods belong to the VFS."""

    _fields_ = (("methods", c_void_p),)


_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_Delete = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_Close = CFUNCTYPE(c_int, c_void_p)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_OpenFolder = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
_GetCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
_SetCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)


class _Watched:
    """The VFS. A process has one, and never unregisters it, since files may be open through it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.sqlite3_vfs_find.restype = POINTER(_VFS)
        usual = library.sqlite3_vfs_find(None)
        if usual.contents.version < 3:
            raise NoVFS("the VFS of this SQLite is too old: its version is below 3")
        self.watching: dict[str, Watch] = {}
        self.errors: list[Exception] = []
        self._files: dict[int, tuple[str, Watch]] = {}
        self._methods: dict[int, tuple[_Methods, tuple[Any, ...]]] = {}
        self._usual_open = _Open(usual.contents.open)
        self._usual_delete = _Delete(usual.contents.delete)
        self._usual_vfs = ctypes.addressof(usual.contents)
        self._vfs = _VFS.from_buffer_copy(usual.contents)
        self._callbacks = _Open(self._open), _Delete(self._delete), _OpenFolder(self._open_folder)
        self._vfs.name = NAME.encode()
        self._vfs.open, self._vfs.delete = [ctypes.cast(call, c_void_p) for call in self._callbacks[:2]]
        set_call, get_call = (usual.contents.others[at] for at in _CALLS)
        self._usual_open_folder = _OpenFolder(_GetCall(get_call)(self._usual_vfs, b"openDirectory"))
        _SetCall(set_call)(self._usual_vfs, b"openDirectory", ctypes.cast(self._callbacks[2], c_void_p))
        if library.sqlite3_vfs_register(ctypes.byref(self._vfs), 0) != 0:
            raise NoVFS("SQLite does not accept another VFS")

    def _watch(self, path: str) -> tuple[str, Watch] | None:
        for suffix in ("", "-wal", "-journal"):
            watch = self.watching.get(path.removesuffix(suffix)) if path.endswith(suffix) else None
            if watch is not None:
                return suffix, watch
        return None

    def _open(self, _: int, name: int | None, file: int, flags: int, flags_out: Any) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        watched = self._watch(path)
        new = watched is not None and bool(flags & _OPEN_CREATE) and not os.path.exists(path)  # noqa: PTH110
        if watched is not None and new:
            error = self._call(watched[1], Create(watched[0]))
            if error:
                _File.from_address(file).methods = None
                return error
        result: int = self._usual_open(self._usual_vfs, name, file, flags, flags_out)
        opened = _File.from_address(file)
        if watched is not None and result == 0:
            self._files[file] = watched
            opened.methods = ctypes.addressof(self._watched_methods(opened.methods))
        return result

    def _watched_methods(self, usual: int) -> _Methods:
        if usual not in self._methods:
            methods = _Methods.from_address(usual)
            close, write = _Close(methods.close), _Write(methods.write)
            truncate, sync = _Truncate(methods.truncate), _Sync(methods.sync)

            def closed(file: int) -> int:
                self._files.pop(file, None)
                return int(close(file))

            def written(file: int, data: int, size: int, offset: int) -> int:
                return self._call_for(file, Write, offset, ctypes.string_at(data, size)) or int(
                    write(file, data, size, offset)
                )

            def truncated(file: int, size: int) -> int:
                return self._call_for(file, Truncate, size) or int(truncate(file, size))

            def synced(file: int, flags: int) -> int:
                return self._call_for(file, Sync) or int(sync(file, flags))

            callbacks = _Close(closed), _Write(written), _Truncate(truncated), _Sync(synced)
            copy = _Methods.from_buffer_copy(methods)
            copy.close, copy.write, copy.truncate, copy.sync = [ctypes.cast(c, c_void_p) for c in callbacks]
            self._methods[usual] = copy, callbacks
        return self._methods[usual][0]

    def _call_for(self, file: int, kind: type[Any], *arguments: Any) -> int:
        suffix, watch = self._files[file]
        return self._call(watch, kind(suffix, *arguments))

    def _call(self, watch: Watch, operation: Operation) -> int:
        """Call the watcher. Its error cannot pass through SQLite: it is kept, and the operation fails."""
        try:
            return watch(operation)
        except Exception as error:
            self.errors.append(error)
            return sqlite3.SQLITE_IOERR

    def _delete(self, _: int, name: bytes, sync_folder: int) -> int:
        path = name.decode()
        watched = self._watch(path)
        if watched is not None and os.path.exists(path):  # noqa: PTH110
            error = self._call(watched[1], Unlink(watched[0]))
            if error:
                return error
        return int(self._usual_delete(self._usual_vfs, name, sync_folder))

    def _open_folder(self, name: bytes, descriptor: Any) -> int:
        watched = self._watch(name.decode())
        if watched is not None:
            self._call(watched[1], SyncFolder())
        return int(self._usual_open_folder(name, descriptor))


_known: list[_Watched] = []


def require() -> None:
    """Make sure that file operations can be watched. Raises NoVFS."""
    if _known:
        return
    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        library.sqlite3_libversion.restype = c_char_p
        version = library.sqlite3_libversion().decode()
    except AttributeError:
        raise NoVFS("the functions of SQLite are not visible in this Python") from None
    if version != sqlite3.sqlite_version:
        raise NoVFS(
            f"the functions are of SQLite {version}, but the sqlite3 module uses {sqlite3.sqlite_version}"
        )
    _known.append(_Watched(library))


def watched_target(target: str) -> str:
    """The target of a connection through the watching VFS."""
    return f"{target}{'&' if '?' in target else '?'}vfs={NAME}"


@contextmanager
def watching(path: Path, watch: Watch) -> Iterator[None]:
    """Inside, call `watch` before each operation of a connection with a watched target on the database.

    Each connection that is opened inside must be closed inside. Raises NoVFS, and at the end the first error
    of `watch`.
    """
    require()
    known = _known[0]
    known.watching[str(path.absolute())] = watch
    try:
        yield
    finally:
        del known.watching[str(path.absolute())]
        errors, known.errors = known.errors, []
        if errors:
            raise errors[0]
