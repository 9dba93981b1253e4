"""The exit codes. docs/command_line.md explains them, and `failures.py` has the exit code of each error."""

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only shows its help needs no more
    from failure_modes.checker.experiment.findings import Finding


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


def code_of_finding(finding: "Finding") -> EXIT:
    """The exit code where nothing should have been found: a violation and a divergence have one each."""
    return EXIT.DIVERGED if finding.invariant is None else EXIT.NOT_AS_EXPECTED


def worst(codes: Iterable[EXIT]) -> EXIT:
    """The worst of several exit codes: `not as expected`, `diverged`, `refused`, then `inconclusive`."""
    order = (EXIT.NOT_AS_EXPECTED, EXIT.DIVERGED, EXIT.REFUSED, EXIT.INCONCLUSIVE)
    given = set(codes)
    return next((code for code in order if code in given), EXIT.AS_EXPECTED)
