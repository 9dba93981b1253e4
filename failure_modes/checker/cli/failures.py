"""The errors that end a command in one line, and the exit code of each. Imported when a command fails."""

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.support.errors import (
    CallerError,
    CheckerError,
    FileError,
    LimitReached,
    MachineError,
    ScenarioError,
    SubjectError,
)
from failure_modes.checker.support.temporary import NoRoom
from system.store import StoreError

_CODES: tuple[tuple[type[BaseException], EXIT], ...] = (
    (CallerError, EXIT.REFUSED),
    (FileError, EXIT.REFUSED),
    (ScenarioError, EXIT.REFUSED),
    (SubjectError, EXIT.REFUSED),
    (MachineError, EXIT.INCONCLUSIVE),
    (LimitReached, EXIT.INCONCLUSIVE),
    (NoRoom, EXIT.INCONCLUSIVE),
    (StoreError, EXIT.INCONCLUSIVE),
    (CheckerError, EXIT.NOT_AS_EXPECTED),
    (OSError, EXIT.REFUSED),
)
"""The exit codes of the errors. The first class that matches an error counts."""

ERRORS = tuple([kind for kind, _ in _CODES])
"""The errors that end a command in one line. Any other error is a defect of the checker, with a traceback."""


def code_of(error: BaseException) -> EXIT:
    """The exit code of an error of one of these classes."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def describe(error: BaseException) -> str:
    """The message of an error, in one line."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"
