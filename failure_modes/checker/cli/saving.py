"""What a search found is saved at once, under a name of its own: the next search does not lose it."""

import os
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from failure_modes.checker.cli.output import fail, output, show, warn
from failure_modes.checker.cli.paths import shown_path
from failure_modes.checker.traces.database import save
from failure_modes.checker.traces.trace import Trace, to_json

if TYPE_CHECKING:
    from failure_modes.checker.traces.replay import Replayed

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


def as_code(command: Command) -> Command:
    """The options that print a trace as Python; the command gets the one that was chosen as `form`."""

    @wraps(command)
    def with_form(*arguments: Any, as_pytest: bool, as_python: bool, **options: Any) -> Any:
        if as_pytest and as_python:
            raise click.UsageError("--pytest and --python: choose one")
        form = "pytest" if as_pytest else "python" if as_python else None
        return command(*arguments, form=form, **options)

    options = (
        click.option(
            "--pytest", "as_pytest", is_flag=True, help="Print a test that replays it, and nothing else."
        ),
        click.option(
            "--python", "as_python", is_flag=True, help="Print its actions as a program, and nothing else."
        ),
    )
    found: Command = with_form
    for option in reversed(options):
        found = option(found)
    return found


def only_code(form: str | None) -> None:
    """From now on print no text but the code. Raises click.UsageError."""
    if form is not None and output().json:
        raise click.UsageError(f"--{form} and --json: choose one")
    output().quiet = form is not None or output().quiet


def print_code(form: str | None, replays: "list[tuple[Replayed, Path | None]]") -> None:
    """Print the code of replays, if a form was asked for; each has the file of its trace, if there is one."""
    if form is None or not replays:
        return
    from failure_modes.checker.report.code import pytest_of, python_of

    if form == "pytest":
        shown = [(replayed, None if path is None else shown_path(path)) for replayed, path in replays]
        click.echo(pytest_of(*shown), nl=False)
    else:
        click.echo("\n".join([python_of(replayed) for replayed, _ in replays]), nl=False)
