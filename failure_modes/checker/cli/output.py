"""The output of a command: text, or one JSON object with `--json`. docs/command_line.md has its format.

With `--json` standard output has that object and nothing else, also if the command fails. Warnings and errors
are on standard error in both forms, and in the object.
"""

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

import click

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.support import interrupts

if TYPE_CHECKING:
    from failure_modes.checker.report.table import Look

FORMAT = 2
"""The number of the JSON format. A change that an old reader would misunderstand gets a new number."""


class Verdict(StrEnum):
    """The result of a command. The exit code tells if it was expected."""

    BROKEN = "broken"
    DIVERGED = "diverged"
    HELD = "held"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"


class Output:
    """The output of one run of the command line."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.json = "--json" in arguments
        self.stage: str | None = None
        """The stage of `run` to which the next results belong."""
        self.quiet = False
        """True if `run` shows one line for each failure mode, and the output of its stages is hidden."""
        self._results: list[dict[str, Any]] = []
        self._messages: list[str] = []

    def show(self, text: str) -> None:
        """Print a line or more for people."""
        if not self.json and not self.quiet:
            from failure_modes.checker.report.table import fitted

            look = self.look
            click.echo(fitted(text, look), color=look.color or None)

    @property
    def look(self) -> "Look":
        """How text is printed on standard output."""
        from failure_modes.checker.report.table import look_of

        return look_of(sys.stdout)

    def warn(self, message: str) -> None:
        """Print a message on standard error, in one line."""
        click.echo(message, err=True)
        self._messages.append(message)

    def add(self, verdict: Verdict | None, **values: Any) -> None:
        """Add a result. Its verdict is None if nothing was judged."""
        stage = {} if self.stage is None else {"stage": self.stage}
        self._results.append({**stage, "verdict": verdict, **values})

    def results_of(self, stage: str, failure_mode: str) -> list[dict[str, Any]]:
        """The results of a stage of `run`, for one failure mode."""
        wanted = (stage, failure_mode)
        return [
            result for result in self._results if (result.get("stage"), result.get("failure_mode")) == wanted
        ]

    def end(self, code: int, verdict: Verdict | None = None) -> NoReturn:
        """Exit with that code. Without a verdict, the verdict follows from the results."""
        if self.json:
            found = {
                "format": FORMAT,
                "command": click.get_current_context().find_root().invoked_subcommand,
                "verdict": verdict or self._verdict(),
                "exit": int(code),
                "messages": self._messages,
                "results": self._results,
            }
            click.echo(json.dumps(found))
        raise SystemExit(code)

    def refuse(self, message: str) -> NoReturn:
        """Exit as refused. The message is already on standard error."""
        self._messages.append(message)
        self.end(EXIT.REFUSED, Verdict.REFUSED)

    def _verdict(self) -> Verdict | None:
        found = {result["verdict"] for result in self._results}
        order = (Verdict.BROKEN, Verdict.DIVERGED, Verdict.INCONCLUSIVE, Verdict.HELD)
        return next((verdict for verdict in order if verdict in found), None)


def output() -> Output:
    """The output of the running command."""
    found = click.get_current_context().find_object(Output)
    assert found is not None, "the group makes it before any command runs"
    return found


def show(text: str) -> None:
    """Print a line or more for people; nothing with `--json`."""
    output().show(text)


def warn(message: str) -> None:
    """Print a message on standard error, in one line."""
    output().warn(message)


def fail(message: str, code: EXIT = EXIT.REFUSED) -> NoReturn:
    """Print an error in one line, and exit."""
    warn(f"error: {message}")
    output().end(code, Verdict.REFUSED if code is EXIT.REFUSED else Verdict.INCONCLUSIVE)


def interrupted(until_then: str = "") -> NoReturn:
    """Print in one line that the command was interrupted, with its progress until then, and exit."""
    warn(f"interrupted: {until_then}" if until_then else "interrupted")
    output().end(interrupts.exit_code(), Verdict.INCONCLUSIVE)
