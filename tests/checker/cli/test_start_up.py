"""A command imports what it needs, and no more: modules are counted here, for time depends on the machine."""

import subprocess
import sys

import click
import pytest

from failure_modes.checker.cli.main import COMMANDS, HELP, main
from failure_modes.checker.traces.database import all_kept
from tests.checker.commands import ROOT

TRACE = str(all_kept()[0][0])
CODE = """
import sys
from failure_modes.__main__ import run

try:
    run()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
CHECKER = "failure_modes.checker."
SELDOM = {
    "hypothesis",
    "multiprocessing.connection",
    "pytest",
    "rich",
    f"{CHECKER}real",
    f"{CHECKER}campaigns",
    f"{CHECKER}report.code",
    f"{CHECKER}simulation.postgresql",
    f"{CHECKER}simulation.power_loss_world",
    f"{CHECKER}simulation.rollback_world",
    f"{CHECKER}simulation.disk",
}
"""What none of the commands below needs."""


def _imported(*arguments: str) -> set[str]:
    """The modules that a command has imported at its end."""
    command = [sys.executable, "-c", CODE, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(ran.stderr.splitlines()[-1].split())


def test_the_help_imports_no_command() -> None:
    """The list of commands needs neither the queue nor its model, no value classes and no other process."""
    names = _imported("--help")
    assert {name for name in names if name.startswith(f"{CHECKER}cli.")} == {
        f"{CHECKER}cli.{name}" for name in ("command", "exits", "main", "output")
    }
    unneeded = {"attrs", "greenlet", "hypothesis", "model", "multiprocessing", "sqlite3", "system"}
    assert not unneeded & names


@pytest.mark.parametrize("arguments", [("list",), ("traces", "FM_001"), ("find", "--help")], ids=" ".join)
def test_a_command_that_makes_no_folder_imports_no_multiprocessing(arguments: tuple[str, ...]) -> None:
    """Only a temporary folder, or another process, needs it."""
    assert "multiprocessing" not in _imported(*arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_they_say(command: str) -> None:
    """The short help of the table is the first line of the command's own help."""
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert HELP[command] == found.get_short_help_str(1_000)


@pytest.mark.parametrize(
    "arguments",
    [
        ("find", "FM_017", "--help"),
        ("find", "FM_001"),
        ("prove", "FM_009", "--processes", "1"),
        ("replay", TRACE),
        ("list",),
    ],
    ids=" ".join,
)
def test_a_command_imports_nothing_that_it_does_not_need(arguments: tuple[str, ...]) -> None:
    """Hypothesis comes with its driver, rich with a terminal, pipes with processes, disks with power loss."""
    assert not SELDOM & _imported(*arguments)


def test_a_replay_needs_no_search_and_no_proof() -> None:
    """Nothing is drawn, minimised or explored."""
    names = _imported("replay", TRACE)
    unneeded = (f"{CHECKER}proof.", f"{CHECKER}search.search", f"{CHECKER}search.minimise")
    assert [name for name in names if name.startswith(unneeded)] == []


LATE = """
from failure_modes.__main__ import run

class Circle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        print("freed")

circle = Circle()
run()
"""


def test_the_end_of_a_command_frees_nothing_one_by_one() -> None:
    """The interpreter's last collection finds no object to look at."""
    ran = subprocess.run(
        [sys.executable, "-c", LATE, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("Usage:")
    assert "freed" not in ran.stdout
