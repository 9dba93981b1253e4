"""What a command says: text for people, or with `--json` one object of one shape. See docs/command_line.md.

With `--json` standard output holds that object and nothing else, also where a command fails. Warnings and
errors are on standard error in both forms, and in the object.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NoReturn

import click

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.support import interrupts

FORMAT = 2
"""The number of the shape. A change that a reader would misread gets a new number."""


class Verdict(StrEnum):
    """What was seen; the exit code says whether it was expected."""

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
        """The part of a longer command that its next results belong to."""
        self.quiet = False
        """True where a longer command says in one line what came of others."""
        self._results: list[dict[str, Any]] = []
        self._messages: list[str] = []

    def show(self, text: str) -> None:
        """Print a line or more for people."""
        if not self.json and not self.quiet:
            click.echo(text)

    def warn(self, message: str) -> None:
        """Say on standard error what is wrong, in one line."""
        click.echo(message, err=True)
        self._messages.append(message)

    def add(self, verdict: Verdict | None, **said: Any) -> None:
        """Add a result; without a verdict if nothing was judged."""
        stage = {} if self.stage is None else {"stage": self.stage}
        self._results.append({**stage, "verdict": verdict, **said})

    def results_of(self, stage: str, failure_mode: str) -> list[dict[str, Any]]:
        """The results of a stage of a longer command, for one failure mode."""
        wanted = (stage, failure_mode)
        return [one for one in self._results if (one.get("stage"), one.get("failure_mode")) == wanted]

    def end(self, code: int, verdict: Verdict | None = None) -> NoReturn:
        """Leave with that exit code. The verdict is that of the results, unless it is given."""
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
        """Leave, for the command cannot be run like this. The message is on standard error already."""
        self._messages.append(message)
        self.end(EXIT.REFUSED, Verdict.REFUSED)

    def _verdict(self) -> Verdict | None:
        found = {result["verdict"] for result in self._results}
        order = (Verdict.BROKEN, Verdict.DIVERGED, Verdict.INCONCLUSIVE, Verdict.HELD)
        return next((verdict for verdict in order if verdict in found), None)


def output() -> Output:
    """The output of the command that runs."""
    found = click.get_current_context().find_object(Output)
    assert found is not None, "the group makes it before any command runs"
    return found


def show(text: str) -> None:
    """Print a line or more for people; nothing with `--json`."""
    output().show(text)


def warn(message: str) -> None:
    """Say on standard error what is wrong, in one line."""
    output().warn(message)


def fail(message: str, code: EXIT = EXIT.REFUSED) -> NoReturn:
    """Say what is wrong, in one line, and leave."""
    warn(f"error: {message}")
    output().end(code, Verdict.REFUSED if code is EXIT.REFUSED else Verdict.INCONCLUSIVE)


def interrupted(until_then: str = "") -> NoReturn:
    """Say in one line that the command was interrupted, and what it knew until then, and leave."""
    warn(f"interrupted: {until_then}" if until_then else "interrupted")
    output().end(interrupts.exit_code(), Verdict.INCONCLUSIVE)
