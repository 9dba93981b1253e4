"""The exit codes, and the exit code of each error. docs/command_line.md explains them."""

from collections.abc import Iterable
from enum import IntEnum

from failure_modes.checker.experiment.findings import Finding
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


class EXIT(IntEnum):
    """The exit code of a command. A command that was interrupted without a result has another one."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    """A violation that was not expected, or no violation or divergence although one was expected."""
    REFUSED = 2
    """Bad usage, or a file, a scenario or a system that cannot be used."""
    INCONCLUSIVE = 3
    """No result: a limit was reached, the danger was never reached, or this machine lacks something."""
    DIVERGED = 4
    """A divergence that was not expected, and no violation."""

    @property
    def description(self) -> str:
        """The exit code in words."""
        return self.name.lower().replace("_", " ")


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


def code_of_finding(finding: Finding) -> EXIT:
    """The exit code where nothing should have been found: a violation and a divergence have one each."""
    return EXIT.DIVERGED if finding.invariant is None else EXIT.NOT_AS_EXPECTED


def code_of(error: BaseException) -> EXIT:
    """The exit code of an error of one of these classes."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def describe(error: BaseException) -> str:
    """The message of an error, in one line."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{error.filename}: {reason}"


def worst(codes: Iterable[EXIT]) -> EXIT:
    """The worst of several exit codes: `not as expected`, `diverged`, `refused`, then `inconclusive`."""
    order = (EXIT.NOT_AS_EXPECTED, EXIT.DIVERGED, EXIT.REFUSED, EXIT.INCONCLUSIVE)
    given = set(codes)
    return next((code for code in order if code in given), EXIT.AS_EXPECTED)
