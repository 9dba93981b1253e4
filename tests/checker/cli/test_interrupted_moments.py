"""A command that is interrupted while it imports, while it writes, when it has said all; and twice."""

import signal
from pathlib import Path

import pytest

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.support import interrupts
from failure_modes.checker.traces.database import all_kept
from tests.checker.commands import invoke
from tests.checker.processes import Started, eventually, started

IMPORTING = """
import sys
from failure_modes.__main__ import run

module = sys.argv.pop(1)

class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            print("waits", file=sys.stderr, flush=True)
            sys.stdin.readline()

sys.meta_path.insert(0, Waits())
run()
"""
"""The command line; before it imports the module it waits for a line."""


@pytest.mark.parametrize("module", ["failure_modes.checker.cli.main", "click", "greenlet", "sqlite3"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_imports_is_one_line(module: str, number: signal.Signals) -> None:
    """It is noted, and the command is not begun."""
    with started("-c", IMPORTING, module, "find", "FM_001") as running:
        running.read_until("waits")
        running.signal(number, group=False)
        assert running.popen.stdin is not None
        running.popen.stdin.write("\n")
        assert running.ended() == (128 + number, "", "interrupted\n")


def _ended_by(running: Started, number: signal.Signals) -> bool:
    running.signal(number, group=True)
    return running.popen.poll() is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(number: signal.Signals) -> None:
    """Wherever it hangs: one line, and no clean-up."""
    with started("-c", IMPORTING, "greenlet", "find", "FM_001") as running:
        running.read_until("waits")
        eventually(lambda: _ended_by(running, number))
        assert running.popen.returncode == 128 + number
        _, output, errors = running.ended()
        assert (output, errors) == ("", "interrupted twice: stopped at once\n")


def test_a_signal_that_was_switched_off_stays_so() -> None:
    """A shell starts a background command with SIGINT switched off."""
    script = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{IMPORTING}"
    with started("-c", script, "sqlite3", "new", "FM_001", "taken") as running:
        running.read_until("waits")
        running.signal(signal.SIGINT, group=False)
        code, output, errors = running.ended()
    assert (code, output) == (EXIT.REFUSED, "")
    assert errors.startswith("error: FM_001 already exists: ")


INSIDE = """
import os, signal
from failure_modes.__main__ import run
from system.queue import Queue

commit = Queue.commit_json

def interrupted(*arguments):
    Queue.commit_json = commit
    os.kill(os.getpid(), signal.SIGINT)
    return commit(*arguments)

Queue.commit_json = interrupted
run()
"""
"""The command line, interrupted in the midst of the code of a virtual process."""


def test_a_virtual_process_takes_no_notice() -> None:
    """What it was doing it does, as the schedule asks; the search ends after that example."""
    with started("-c", INSIDE, "prevent", "FM_001", "--granularity", "statement", "--json") as running:
        code, output, errors = running.ended()
    assert (code, errors) == (EXIT.INCONCLUSIVE, "interrupted\n")
    assert ('"found": false' in output, '"verdict": "inconclusive"' in output) == (True, True)


WRITING = """
import os, signal, sys
from pathlib import Path
from failure_modes.checker.support.interrupts import listen
from failure_modes.checker.support.atomic_files import write_atomically

replace = Path.replace

def replaced(*paths):
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    return replace(*paths)

Path.replace = replaced
listen()
write_atomically(Path(sys.argv[1]), "new")
print("went on")
"""


def test_a_file_that_is_being_written_is_finished(tmp_path: Path) -> None:
    """Also when the second signal ends the command: no file is half written, and none left beside it."""
    file = tmp_path / "file"
    file.write_text("old")
    with started("-c", WRITING, str(file)) as running:
        code, output, errors = running.ended()
    assert (code - 128 in (signal.SIGINT, signal.SIGTERM), output, errors) == (
        True,
        "",
        "interrupted twice: stopped at once\n",
    )
    assert ([path.name for path in tmp_path.iterdir()], file.read_text()) == (["file"], "new")


ENDING = """
import atexit, os, signal

atexit.register(lambda: [os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM)])

from failure_modes.__main__ import run
run()
"""


def test_a_signal_when_all_is_said_changes_nothing() -> None:
    """The exit code is that of the answer."""
    with started("-c", ENDING, "docs", "--check") as running:
        assert running.ended() == (0, "the generated documents are fresh\n", "")


@pytest.mark.parametrize("command", [("list",), ("replay", str(all_kept()[0][0])), ("find", "FM_001")])
def test_a_command_that_was_interrupted_before_it_began(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not begin."""
    monkeypatch.setattr(interrupts, "_received", [signal.SIGTERM])
    result = invoke(*command)
    assert (result.exit_code, result.stdout, result.stderr) == (128 + signal.SIGTERM, "", "interrupted\n")
