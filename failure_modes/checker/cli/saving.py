"""What a search found is saved at once, under a name of its own: the next search does not lose it."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from failure_modes.checker.cli.output import fail, output, show, warn
from failure_modes.checker.cli.paths import shown_path
from failure_modes.checker.report.code import pytest_of, python_of
from failure_modes.checker.traces.database import save
from failure_modes.checker.traces.replay import Replayed
from failure_modes.checker.traces.trace import Trace, to_json

PLACE = "FAILURE_MODES_PLACE"
"""An environment variable that names another folder than `.failure_modes` in the current one."""

Command = Callable[..., Any]


def place() -> Path:
    """The folder of what commands write and nobody checks in: found traces, and pages."""
    return Path(os.environ.get(PLACE) or ".failure_modes")


SAVE = click.option(
    "--save",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save what is found here.  [default: a file of its own in .failure_modes/found]",
)


def check_free(file: Path | None) -> None:
    """Exit if the file of `--save` exists: it may have a trace that was found before. Called first."""
    if file is not None and file.exists():
        fail(f"--save {shown_path(file)}: the file exists; choose another name, or remove it")


def saved(trace: Trace, file: Path | None) -> Path | None:
    """Save a trace that was found, and return its path.

    Without a file it gets a name from its content, so that two different traces never have the same. If that
    place cannot be written, a warning says so; a file that was asked for raises OSError.
    """
    if file is not None:
        save(file, trace)
        return file
    text = to_json(trace)
    name = "_".join([trace.failure_mode or "guarded", trace.breaks.invariant or "divergence"])
    path = place() / "found" / f"{name}_{sha256(text.encode()).hexdigest()[:8]}.json"
    try:
        save(path, trace)
    except OSError as error:
        warn(f"warning: the trace is not saved: {error}; give --save PATH")
        return None
    return path


def say_saved(path: Path | None) -> None:
    """Say where a trace was saved."""
    if path is not None:
        show(f" saved: {shown_path(path)}")


FORMS: dict[str, Callable[[Replayed], str]] = {"pytest": pytest_of, "python": python_of}


def as_code(command: Command) -> Command:
    """The options that print a trace as Python."""
    options = (
        click.option(
            "--pytest", "form", flag_value="pytest", help="Print a test that replays it, and nothing else."
        ),
        click.option(
            "--python", "form", flag_value="python", help="Print its actions as a program, and nothing else."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def only_code(form: str | None) -> None:
    """From now on print no text but the code. Raises click.UsageError."""
    if form is not None and output().json:
        raise click.UsageError(f"--{form} and --json: choose one")
    output().quiet = form is not None or output().quiet


def print_code(form: str | None, replayed: Replayed) -> bool:
    """Print the code of a replay, if a form was asked for."""
    if form is None:
        return False
    click.echo(FORMS[form](replayed))
    return True
