"""The regression database: the traces kept in the failure modes' folders, replayed on each test run."""

import re
from pathlib import Path

from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import CallerError
from failure_modes.checker.traces.trace import Trace, load, to_json


class NotKept(CallerError):
    """The trace was not kept. The message says why."""


def kept(mode: FailureMode) -> tuple[tuple[Path, Trace], ...]:
    """The kept traces of a failure mode, by file name. Raises TraceError."""
    return tuple([(path, load(path)) for path in sorted((mode.folder / "traces").glob("*.json"))])


def all_kept() -> tuple[tuple[Path, Trace], ...]:
    """Every kept trace there is."""
    return tuple([entry for mode in catalogue() for entry in kept(mode)])


def path_of(mode: FailureMode, name: str) -> Path:
    """Where a trace of that name is kept. Raises NotKept."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,79}", name):
        raise NotKept(f"{name!r} is not a name for a trace; use small letters, digits and _")
    return mode.folder / "traces" / f"{name}.json"


def keep(mode: FailureMode, name: str, trace: Trace) -> Path:
    """Keep a trace under a name; whole or not at all. Raises NotKept if either is kept already."""
    path = path_of(mode, name)
    for other, known in kept(mode):
        if known.same_violation(trace):
            raise NotKept(
                f"the same violation is kept already, as {other.name}; to rename it, remove that file first"
            )
    if path.exists():
        raise NotKept(f"{path.name} exists already, with another violation; choose another name")
    save(path, trace)
    return path


def save(path: Path, trace: Trace) -> None:
    """Write a trace to a file; whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_json(trace))
