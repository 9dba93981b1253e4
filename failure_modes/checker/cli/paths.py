"""Paths and commands in the output, in the form in which a user can type them."""

import os
import shlex
from pathlib import Path

from failure_modes.checker.cli.output import fail
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.traces.database import kept, path_of

NOX = "FAILURE_MODES_IN_NOX"
"""An environment variable of the nox sessions. Their user may have only nox installed."""


def check_new(mode: FailureMode, keep_as: str) -> None:
    """Exit if no trace can be kept under that name. Called before a search."""
    kept(mode)
    if path_of(mode, keep_as).exists():
        fail(f"--keep {keep_as}: there is already a trace of that name; choose another name")


def shown_path(path: Path) -> str:
    """The path, relative to the current folder if it is below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def command_line(command: str, *words: str) -> str:
    """A command as the user can type it: of nox if a nox session runs, else of Python."""
    if os.environ.get(NOX):
        return shlex.join(["nox", "-s", command, "--", *words])
    return shlex.join(["python", "-m", "failure_modes", command, *words])
