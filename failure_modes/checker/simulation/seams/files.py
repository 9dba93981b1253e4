"""The seam of files: a process pauses before each operation that other processes can see.

These are: to open a file, to flush or close what was written, to rename, remove, lock, list, and to make a
folder. What is written stays in the buffer of its process until it is flushed, as in a real process; when
the process dies, the buffer is lost. Half a flush is not simulated. `flock` works between virtual
processes, since its locks belong to an open file; the locks of `lockf` belong to a process of the system,
so the seam refuses them.

A label has the operation and the name of the folder: `RENAME queue`.
"""

import builtins
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import Any

from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import Stepped, alive, current
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.support.errors import SubjectError

_OPEN, _FLOCK, _LOCKF = builtins.open, fcntl.flock, fcntl.lockf
_OS_OPEN, _OS_CLOSE = os.open, os.close
_STEPPED: dict[Any, str] = {
    os.rename: "RENAME",
    os.replace: "RENAME",
    os.remove: "REMOVE",
    os.unlink: "REMOVE",
    os.mkdir: "MKDIR",
    os.listdir: "LIST",
}
_CODE = (".py", ".pyc")

_owners: dict[int, Stepped] = {}
"""The processes that have a descriptor open."""


class FilesSeam:
    """Replaces `open`, and functions of `os` and `fcntl`."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Replace the functions until the block ends."""
        functions: dict[Any, Callable[..., Any]] = {
            original: _stepped(original, name) for original, name in _STEPPED.items()
        }
        functions |= {_OPEN: _open, _OS_OPEN: _os_open, _OS_CLOSE: _os_close}
        functions |= {_FLOCK: _flock, _LOCKF: _lockf}
        with replaced(functions):
            yield


def _stepped(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    def run(path: Any = ".", /, *arguments: Any, **options: Any) -> Any:
        process = alive()
        if process is not None:
            process.pause(f"{name} {_folder(path)}")
        return original(path, *arguments, **options)

    return run


def _folder(path: Any) -> str:
    return "file" if isinstance(path, int) else PurePath(os.fsdecode(path)).parent.name


def _open(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
    process = alive()
    if process is None or (not isinstance(file, int) and str(file).endswith(_CODE)):
        return _OPEN(file, mode, *arguments, **options)
    folder, writes = _folder(file), bool(set(mode) & set("wax+"))
    if not isinstance(file, int):
        process.pause(f"{'WRITE' if writes else 'READ'} {folder}")
    else:
        _owners.pop(file, None)  # the file object closes it
    opened = _OPEN(file, mode, *arguments, **options)
    return _File(opened, process, folder) if writes else _until_death(opened, process)


def _until_death(opened: Any, process: Stepped) -> Any:
    process.at_death(opened.close)
    return opened


def _os_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
    process = alive()
    if process is None:
        return _OS_OPEN(path, flags, *arguments, **options)
    process.pause(f"OPEN {_folder(path)}")
    descriptor = _OS_OPEN(path, flags, *arguments, **options)
    _owners[descriptor] = process

    def release() -> None:
        if _owners.get(descriptor) is process:
            _os_close(descriptor)

    process.at_death(release)
    return descriptor


def _os_close(descriptor: int) -> None:
    process = current()
    if process is None or not process.dead or _owners.get(descriptor) is not process:
        _owners.pop(descriptor, None)
        _OS_CLOSE(descriptor)


def _flock(file: Any, operation: int) -> None:
    process = alive()
    if process is None or operation & (fcntl.LOCK_UN | fcntl.LOCK_NB):
        _FLOCK(file, operation)
        return
    process.pause("LOCK")
    while True:
        with suppress(BlockingIOError):
            _FLOCK(file, operation | fcntl.LOCK_NB)
            return
        process.block("LOCK")


def _lockf(*arguments: Any) -> Any:
    if alive() is not None:
        raise SubjectError("the seam of files cannot run fcntl.lockf: its locks belong to a whole process")
    return _LOCKF(*arguments)


class _File:
    """A file that is written to. Its buffer is lost when its process dies."""

    def __init__(self, opened: Any, process: Stepped, folder: str) -> None:
        self._opened = opened
        self._process = process
        self._folder = folder
        self._unflushed = False
        process.at_death(self._lose)

    def write(self, data: Any) -> Any:
        """Write into the buffer."""
        self._check()
        self._unflushed = True
        return self._opened.write(data)

    def flush(self) -> None:
        """Write the buffer to the file, after a boundary."""
        self._step()
        self._opened.flush()

    def close(self) -> None:
        """Flush and close. The file of a dead process is closed already."""
        if not self._process.dead and not self._opened.closed:
            self._step()
            self._opened.close()

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Any:
        self._check()
        return iter(self._opened)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def _check(self) -> None:
        if self._process.dead:
            raise Crashed

    def _step(self) -> None:
        self._check()
        if self._unflushed and current() is not None:
            self._process.pause(f"FLUSH {self._folder}")
        self._unflushed = False

    def _lose(self) -> None:
        """Close the file without its buffer, as the death of a process does."""
        if self._opened.closed:
            return
        nowhere = _OS_OPEN(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._opened.fileno())
        _OS_CLOSE(nowhere)
        self._opened.close()
