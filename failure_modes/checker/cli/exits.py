"""How a command speaks to a user at its end: exit codes, errors that are the user's to mend, paths."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import click

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.support import interrupts
from failure_modes.checker.traces.database import NotKept, kept, path_of
from failure_modes.checker.traces.trace import TraceError


class EXIT(IntEnum):
    """What the exit code says. A command that was interrupted before it had an answer ends with another."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    """A violation where none was expected, or none where one was."""
    USAGE = 2
    """Bad usage, or a file that is not what it should be."""
    BOUND_HIT = 3
    """A bound was hit before the question was answered."""


def fail(message: str) -> NoReturn:
    """Say what is wrong, in one line, and leave."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(EXIT.USAGE)


def usage(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; leave if the user's files or names do not allow it."""
    try:
        return function(*arguments)
    except (NotKept, TraceError) as error:
        fail(str(error))
    except OSError as error:
        fail(describe(error))


def describe(error: OSError) -> str:
    """What the operating system refused, in one line."""
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"


def check_new(mode: FailureMode, keep_as: str) -> None:
    """Leave if no trace can be kept under that name, before anything is searched for."""
    usage(kept, mode)
    if usage(path_of, mode, keep_as).exists():
        fail(f"--keep {keep_as}: a trace of that name exists already; choose another name")


def shown_path(path: Path) -> str:
    """The path as a user would type it from here."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def worst(codes: Iterable[EXIT]) -> EXIT:
    """Of several answers the one to leave with: what is not as expected stands before what is not known."""
    given = set(codes)
    order = (EXIT.NOT_AS_EXPECTED, EXIT.USAGE, EXIT.BOUND_HIT)
    return next((code for code in order if code in given), EXIT.AS_EXPECTED)


def leave(code: EXIT) -> NoReturn:
    """Leave with that code."""
    raise SystemExit(code)


def interrupted(until_then: str = "") -> NoReturn:
    """Say in one line that the command was interrupted, and what it knew until then, and leave."""
    click.echo(f"interrupted: {until_then}" if until_then else "interrupted", err=True)
    raise SystemExit(interrupts.exit_code())
