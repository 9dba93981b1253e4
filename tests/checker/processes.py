"""Commands of the checker in processes of their own, with all that they start, and how to end them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import frozen

from system.clock import Stopwatch, SystemClock
from tests.checker.commands import ROOT

PATIENCE_SECONDS = 120.0
_NAME = "QUEUE_TEST_STARTED_BY"

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="who started a process is read from /proc"
)


class Started:
    """A command, and every process that it started: each has the same line in its environment."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._seen: dict[int, str] = {}
        self._line = f"{_NAME}={uuid4().hex}".encode("ascii")
        name, _, value = self._line.decode("ascii").partition("=")
        self.popen = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment | {name: value},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )

    def all(self) -> list[int]:
        """The numbers of the processes that run: the command, what it started, and what that started.

        A process that was seen once is known again, whatever it does to its environment and its parents do.
        """
        running = {number: stat for number in _numbers() if (stat := _stat(number))}
        known = {number for number, stat in running.items() if self._seen.get(number) == stat.started}
        known |= {number for number in running if self._has_the_line(number)}
        while more := {number for number, stat in running.items() if stat.parent in known} - known:
            known |= more
        self._seen = {number: running[number].started for number in known}
        return sorted(known)

    def _has_the_line(self, number: int) -> bool:
        try:
            return self._line in Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def at_work(self) -> int:
        """How many of them have a file of a temporary folder open."""
        return sum(any("/queue-" in file for file in _open_files(number)) for number in self.all())

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Send the signal to the command; or to the group of its processes, as a terminal does."""
        (os.killpg if group else os.kill)(self.popen.pid, number)

    def read_until(self, text: str) -> None:
        """Read what it says on standard error until a line has the text."""
        assert self.popen.stderr is not None
        line, lines = "", list[str]()
        while text not in line:
            line = self.popen.stderr.readline()
            lines.append(line)
            assert line, f"it ended too early: {lines}"

    def ended(self) -> tuple[int, str, str]:
        """Its exit code, and the rest of its output and of its errors."""
        output, errors = self.popen.communicate("", PATIENCE_SECONDS)
        return self.popen.returncode, output, errors


@frozen(kw_only=True)
class _Stat:
    """What the kernel says of a process. Its start tells it from another of the same number."""

    parent: int
    started: str


def _numbers() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(number: int) -> _Stat | None:
    """Of a process that runs; None if it is gone, or only waited for."""
    try:
        words = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] == "Z" else _Stat(parent=int(words[1]), started=words[19])


def _open_files(number: int) -> list[str]:
    """The paths of the files that a process has open, as far as it lives."""
    try:
        return [str(file.readlink()) for file in Path(f"/proc/{number}/fd").iterdir()]
    except OSError:
        return []


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Started]:
    """Python with these arguments. Nothing of it is left after the block."""
    one = Started(list(arguments), environment)
    try:
        yield one
    finally:
        for number in {one.popen.pid, *one.all()}:
            if one.popen.returncode is None or number != one.popen.pid:
                os.kill(number, signal.SIGKILL)
        one.popen.wait()
        for pipe in (one.popen.stdin, one.popen.stdout, one.popen.stderr):
            assert pipe is not None, "each was asked for"
            with suppress(BrokenPipeError):
                pipe.close()


def eventually(happens: Callable[[], bool]) -> None:
    """Wait until it happens; a test fails if it takes much too long."""
    watch = Stopwatch()
    while not happens():
        assert watch.seconds < PATIENCE_SECONDS, "it did not happen"
        SystemClock().sleep(0.02)


def _hear_interrupts() -> None:
    """A parent that runs in the background may have switched SIGINT off."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
