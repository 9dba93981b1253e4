"""A child process ends with its parent, for whatever reason the parent ends."""

import os
import signal
import subprocess
import sys
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.support import child_processes
from failure_modes.checker.traces.database import all_kept
from tests.checker.postgresql import needs_binaries
from tests.checker.processes import Started, eventually, needs_proc, started

TRACES = [str(path) for path, trace in all_kept() if trace.scope.store is StoreKind.SQLITE]
COMMANDS = {
    "fidelity": (("fidelity", "--schedules", "100000", "--processes", "2"), 5),
    "power": (("power", "--images", "10000000", "--processes", "2"), 2),
    "explore --off": (("explore", "--off", "4", "--examples", "1000000", "--processes", "2"), 2),
    "prove": (("prove", "--jobs", "3", "--ticks", "3", "--granularity", "statement", "--processes", "2"), 2),
    "replay --real": (("replay", *TRACES, *TRACES, *TRACES, "--real"), 3),
    "chaos": (("chaos", "--minutes", "9"), 6),
    "times": (("times", "FM_009"), 1),
}
"""The commands that start processes, and how many processes have a file open when they are at work."""

AT_SERVER = {
    "find": ("find", "FM_001", "--examples", "1000000", "--breaks", "INV_001"),
    "explore --off": ("explore", "--off", "4", "--examples", "1000000"),
    "chaos": ("chaos", "--minutes", "9"),
}


def _kill(command: Started) -> None:
    """Kill the command only, and wait until all its children have ended."""
    assert command.popen.poll() is None, command.ended()
    assert len(command.all()) > 1
    command.signal(signal.SIGKILL, group=False)
    command.popen.wait()
    eventually(lambda: not command.all())


@needs_proc
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_left_of_a_command_that_was_killed(name: str, tmp_path: Path) -> None:
    """The workers of a killed command, their fork servers and the children of these end with the command."""
    arguments, number = COMMANDS[name]
    with started("-m", "failure_modes", *arguments, TMPDIR=str(tmp_path)) as command:
        eventually(lambda: command.at_work() >= number or command.popen.poll() is not None)
        _kill(command)


@needs_proc
@needs_binaries
@pytest.mark.parametrize("name", AT_SERVER)
def test_no_server_is_left_of_a_command_that_was_killed(name: str, tmp_path: Path) -> None:
    """A PostgreSQL server that a command or one of its children has started ends with the command."""
    arguments = (*AT_SERVER[name], "--store", "postgresql")
    environment = {"TMPDIR": str(tmp_path), "QUEUE_TEST_POSTGRESQL": ""}
    with started("-m", "failure_modes", *arguments, **environment) as command:
        eventually(lambda: len(command.all()) > 7 or command.popen.poll() is not None)
        _kill(command)


INPUT = """
import sys
from failure_modes.checker.support.child_processes import die_with_input

die_with_input()
print("runs", file=sys.stderr, flush=True)
while True:
    pass
"""


STOPPED = """
import signal, sys
from failure_modes.checker.support.child_processes import popen

child = popen([sys.executable, "-c", "from signal import pause; pause()"])
child.send_signal(signal.SIGSTOP)
print("runs", file=sys.stderr, flush=True)
signal.pause()
"""


@needs_proc
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not kill it")
def test_a_program_that_is_stopped_while_it_starts_is_killed() -> None:
    """A program that is stopped before it calls `die_with_input` still ends with its parent."""
    with started("-c", STOPPED) as parent:
        parent.read_until("runs")
        _kill(parent)


@needs_proc
def test_a_pipe_is_enough_without_the_kernel() -> None:
    """The end of its input ends a busy process, without the help of the kernel."""
    with started("-c", INPUT) as child:
        child.read_until("runs")
        assert child.popen.poll() is None
        assert child.popen.stdin is not None
        child.popen.stdin.close()
        assert child.popen.wait(60) == -signal.SIGKILL


BOTH = {signal.SIGINT, signal.SIGTERM}


def _report(path: Path) -> None:
    """Write if the signals were blocked at the start, and that the process continues when they arrive."""
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, BOTH)
    for number in BOTH:
        os.kill(os.getpid(), number)
    path.write_text(f"{blocked >= BOTH}, and it went on")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_child_ignores_interrupts(method: str, tmp_path: Path) -> None:
    """A child ignores SIGINT and SIGTERM from its first moment: they are for its parent."""
    server = partial(child_processes.fork_server, "failure_modes.checker.real.real")
    context = get_context("spawn") if method == "spawn" else server()
    child = child_processes.start(context, _report, tmp_path / "report", daemon=True)
    child.join(60)
    assert (child.exitcode, (tmp_path / "report").read_text()) == (0, "True, and it went on")


FORKED = """
import signal, sys
from failure_modes.checker.support import child_processes

if __name__ == "__main__":
    context = child_processes.fork_server("failure_modes.checker.real.real")
    child = child_processes.start(context, signal.pause, daemon=True)
    print("runs", file=sys.stderr, flush=True)
    child.join()
"""


@needs_proc
def test_a_child_that_a_server_forked_ends_with_its_parent(tmp_path: Path) -> None:
    """A child that a fork server started ends with its real parent, although the fork server lives."""
    script = tmp_path / "forked.py"
    script.write_text(FORKED)
    with started(str(script)) as parent:
        parent.read_until("runs")
        _kill(parent)


FORGETS = """
import signal
from multiprocessing import get_context
from failure_modes.checker.support import child_processes

if __name__ == "__main__":
    child_processes.start(get_context("spawn"), signal.pause, daemon=False)
"""


@needs_proc
def test_a_process_that_ends_ends_its_children(tmp_path: Path) -> None:
    """A process that ends kills its children and does not wait for them."""
    script = tmp_path / "forgets.py"
    script.write_text(FORGETS)
    with started(str(script)) as parent:
        assert parent.ended() == (0, "", "")
        assert parent.all() == []


@pytest.mark.parametrize(("error", "printed"), [("EOFError", False), ("ValueError", True)])
def test_a_child_that_loses_its_parent_while_it_starts_says_nothing(error: str, printed: bool) -> None:
    """The end of the pipe is no error of ours; every other error is printed."""
    code = f"import failure_modes.checker.support.quiet_start; raise {error}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, printed)
