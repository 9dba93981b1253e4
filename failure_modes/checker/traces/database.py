"""The regression database: the traces in the folders of the failure modes. Each test run replays them."""

import re
from pathlib import Path

from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, require_checkout
from failure_modes.checker.support.atomic_files import write_atomically
from failure_modes.checker.support.errors import CallerError
from failure_modes.checker.traces.trace import Trace, to_json
from failure_modes.checker.traces.trace_reader import load


class NotKept(CallerError):
    """The trace was not kept. The message has the reason."""


def kept(mode: FailureMode) -> tuple[tuple[Path, Trace], ...]:
    """The kept traces of a failure mode, by file name. Raises TraceError."""
    return tuple([(path, load(path)) for path in sorted((mode.folder / "traces").glob("*.json"))])


def all_kept() -> tuple[tuple[Path, Trace], ...]:
    """The kept traces of all failure modes."""
    return tuple([entry for mode in catalogue() for entry in kept(mode)])


def path_of(mode: FailureMode, name: str) -> Path:
    """The path of a kept trace with that name. Raises NotKept, NotACheckout."""
    require_checkout()
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,79}", name):
        raise NotKept(f"{name!r} cannot be the name of a trace; use small letters, digits and _")
    return mode.folder / "traces" / f"{name}.json"


def keep(mode: FailureMode, name: str, trace: Trace) -> Path:
    """Keep a trace under a name, atomically. Raises NotKept if the name or the violation is kept already."""
    path = path_of(mode, name)
    for other, known in kept(mode):
        if known.same_violation(trace):
            raise NotKept(
                f"{other.name} already keeps the same violation; to rename it, remove that file first"
            )
    if path.exists():
        raise NotKept(f"{path.name} already keeps another violation; choose another name")
    save(path, trace)
    return path


def save(path: Path, trace: Trace) -> None:
    """Write a trace to a file, atomically. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_json(trace))
