"""The command line of the checker, for its tests: in this process, and in one of its own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from failure_modes.checker.cli.main import main
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.experiment.scope import StoreKind

ROOT = Path(__file__).parents[2]
SHAPE = ["format", "command", "verdict", "exit", "messages", "results"]
"""The keys of the JSON object of every command, in their order."""


def invoke(*arguments: str) -> Result:
    """The command line, in this process. It ends by exiting, and by nothing else."""
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "\x1b" not in result.output, "no colours where there is no terminal"
    return result


def quickest() -> FailureMode:
    """The failure mode that is proved soonest: for a test that any of them serves."""
    on_sqlite = [mode for mode in catalogue() if mode.scope.store is StoreKind.SQLITE]
    return min(on_sqlite, key=lambda mode: mode.expected.states)


@cache
def found(*options: str) -> Result:
    """`find FM_001`, run once for all tests that ask for the same."""
    return invoke("find", "FM_001", *options)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, in a process of its own and from the root of the project."""
    return subprocess.run(
        [sys.executable, "-m", "failure_modes", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def object_of(result: Result) -> dict[str, Any]:
    """The one JSON object that a command with `--json` printed; nothing else is on its output."""
    assert result.stdout.count("\n") == 1
    said: dict[str, Any] = json.loads(result.stdout)
    assert list(said) == SHAPE
    assert said["exit"] == result.exit_code
    return said


def results_of(result: Result) -> list[dict[str, Any]]:
    """The results in that object."""
    results: list[dict[str, Any]] = object_of(result)["results"]
    return results


def proved_json(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Of `prove`: the exit code, and its results."""
    result = invoke("prove", *arguments, "--json")
    return result.exit_code, results_of(result)
