"""An interrupted command says so in one line, leaves nothing, and gives no answer that it does not have."""

import re
import signal
from pathlib import Path

import pytest
from attrs import frozen

from failure_modes.checker.campaigns.measurements import file_of
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.traces.database import all_kept
from tests.checker.postgresql import needs_binaries
from tests.checker.processes import Started, eventually, needs_proc, started

TRACES = [str(path) for path, trace in all_kept() if trace.scope.store is StoreKind.SQLITE]
SIGINT, SIGTERM = 128 + signal.SIGINT, 128 + signal.SIGTERM

TALKATIVE = """
from failure_modes.__main__ import run
from failure_modes.checker.report import progress

if __name__ == "__main__":
    progress.PLAIN_EVERY_SECONDS = 0.0
    run()
"""
"""The command line, which says at once how far it has come."""


@frozen
class Command:
    """A command, and how it ends when it is interrupted while it works."""

    arguments: tuple[str, ...]
    says: str
    """The last line of its errors, as a regular expression."""
    code: int = SIGINT
    output: str = ""
    """All of its output, as a regular expression."""
    works: str | int = 1
    """It works when it says this, or when so many of its processes do."""


SHOWN = r"(?s).*"
"""A search shows what it has met so far."""

COMMANDS = {
    "find": Command(
        ("find", "FM_001", "--weight", "Tick=0"),
        "interrupted",
        output=".*; the search was interrupted.*\n",
        works="examples",
    ),
    "find that shrinks": Command(
        ("find", "FM_001", "--granularity", "statement", "--driver", "walk"),
        "interrupted",
        output=r"(?s)FM_001 .* breaks INV_001.*\n saved: .*, interrupted, perhaps not shortest;? .*\n",
        works="shrinking: ",
    ),
    "prevent": Command(
        ("prevent", "FM_001", "--examples", "1000000"), "interrupted", EXIT.INCONCLUSIVE, SHOWN, "examples"
    ),
    "explore": Command(
        ("explore", "--examples", "1000000", "--reach-all"),
        "interrupted",
        EXIT.INCONCLUSIVE,
        SHOWN,
        "examples",
    ),
    "explore --off": Command(
        ("explore", "--off", "3", "--examples", "1000000", "--processes", "2"),
        "interrupted",
        EXIT.INCONCLUSIVE,
        "0 of 3 sets: 0 breaks; 0 of them need more than one policy off\n",
        2,
    ),
    "prove": Command(
        ("prove", "--jobs", "3", "--ticks", "3", "--granularity", "statement", "--processes", "2"),
        "the guarded system: .*",
        EXIT.INCONCLUSIVE,
        "guarded system: .*\n the guarded system: not complete: interrupted at depth .*\n",
        3,
    ),
    "run": Command(("run",), "interrupted", EXIT.INCONCLUSIVE, ".*: find inconclusive; .*\n", "searching"),
    "seeds": Command(
        ("seeds", "FM_001", "--seeds", "1000"),
        "interrupted: the results of 0 of 1 breaks are complete and kept",
        works="seed 0",
    ),
    "times": Command(("times", "FM_009"), "interrupted: 0 of 1 sessions were measured and are kept"),
    "matrix": Command(
        ("matrix", "--together", "3", "--processes", "2"),
        "interrupted: no table is shown, because its rows are not complete",
        works=2,
    ),
    "fidelity": Command(
        ("fidelity", "--schedules", "100000", "--processes", "2"),
        r"interrupted: run both ways: \d+, different: 0; nothing is proved",
        works=5,
    ),
    "power": Command(
        ("power", "--images", "10000000", "--processes", "2"),
        "interrupted: 0 of 10 settings were checked; nothing is shown",
        works=2,
    ),
    "replay": Command(("replay", *TRACES * 3, "--real"), "interrupted", output=SHOWN, works=3),
    "chaos": Command(
        ("chaos", "--minutes", "9"), "interrupted: nothing was audited; the history is in .*", works=6
    ),
}


def _interrupted(command: Command, number: signal.Signals, folder: Path, *options: str) -> str:
    """Let it work, send the signal, and judge how it ends. Gives the last line of its errors."""
    environment = {"TMPDIR": str(folder), "QUEUE_TEST_POSTGRESQL": ""}
    kept = [file_of(mode).read_bytes() for mode in catalogue()]
    with started("-c", TALKATIVE, *command.arguments, *options, **environment) as running:
        _until_it_works(running, command.works)
        running.signal(number, group=number is signal.SIGINT)  # as a terminal does, and as a supervisor does
        code, output, errors = running.ended()
        eventually(lambda: not running.all())
    assert code == (128 + number if command.code == SIGINT else command.code), errors
    assert re.fullmatch(command.output, output), output
    *before, last = errors.splitlines()
    assert re.fullmatch(command.says, last), errors
    assert "interrupted" in output + last
    assert [line for line in before if not re.match("[a-zA-Z_0-9 ,.]+: ", line)] == [], "no traceback"
    assert "interrupted" not in "".join(before)
    assert [file_of(mode).read_bytes() for mode in catalogue()] == kept
    return last


def _until_it_works(running: Started, works: str | int) -> None:
    if isinstance(works, str):
        running.read_until(works)
    else:
        eventually(lambda: running.at_work() >= works or running.popen.poll() is not None)
    assert running.popen.poll() is None


@needs_proc
@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupted_command_says_so_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    """SIGINT to all its processes, as a terminal sends it: one line, no verdict, no process, no folder."""
    last = _interrupted(COMMANDS[name], signal.SIGINT, tmp_path)
    assert [str(path) for path in tmp_path.iterdir()] == re.findall("history is in (.*)", last)


@needs_proc
@pytest.mark.parametrize("name", ["explore --off", "prove", "run", "seeds", "power"])
def test_sigterm_stops_a_command_in_the_same_way(name: str, tmp_path: Path) -> None:
    """To the command alone, as a supervisor sends it."""
    _interrupted(COMMANDS[name], signal.SIGTERM, tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_proc
@needs_binaries
def test_a_command_on_a_server_ends_its_server(tmp_path: Path) -> None:
    """Before it ends itself."""
    repeat = Command(("repeat",), r"interrupted: run twice: \d+, different: 0", works="run twice")
    _interrupted(repeat, signal.SIGINT, tmp_path)
    assert list(tmp_path.iterdir()) == []
