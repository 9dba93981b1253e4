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


def proved_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Of `prove`: the exit code, and the one object on one line; nothing else is on the output."""
    result = invoke("prove", *arguments, "--json")
    assert result.stdout.count("\n") == 1
    said: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, said
