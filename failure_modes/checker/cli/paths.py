"""Keeping a trace, and the commands that a trace or a search is repeated by."""

import os
import shlex
from pathlib import Path

from failure_modes.checker.cli.output import fail
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.traces.database import kept, path_of

NOX = "FAILURE_MODES_IN_NOX"
"""Set by the nox sessions: who called one may have nothing installed but nox."""


def check_new(mode: FailureMode, keep_as: str) -> None:
    """Leave if no trace can be kept under that name, before anything is searched for."""
    kept(mode)
    if path_of(mode, keep_as).exists():
        fail(f"--keep {keep_as}: a trace of that name exists already; choose another name")


def shown_path(path: Path) -> str:
    """The path as a user would type it from here."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def command_line(command: str, *words: str) -> str:
    """A command of this command line, as the user who called this one can type it."""
    if os.environ.get(NOX):
        return shlex.join(["nox", "-s", command, "--", *words])
    return shlex.join(["python", "-m", "failure_modes", command, *words])
