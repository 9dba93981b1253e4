"""A command that is struck by a signal at one moment of its work on files.

A moment is before a file operation of the command's, or between two steps of a copy. `python -m
tests.system.struck SIGNAL COMMAND…` reads numbers: for each it runs the command in a process of its own,
which is struck at the moment of that number, and prints how that ended and how many moments it has seen.
"""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system.processes import PROJECT

_OPERATIONS = ("open", "fsync", "link", "rename", "replace", "unlink", "fchmod", "pwrite")


class _Moments:
    def __init__(self, number: int, struck_by: signal.Signals) -> None:
        self._number = number
        self._struck_by = struck_by
        self.seen = 0

    def passed(self) -> None:
        self.seen += 1
        if self.seen == self._number:
            os.kill(os.getpid(), self._struck_by)

    def before(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*arguments: Any, **named: Any) -> Any:
            self.passed()
            return operation(*arguments, **named)

        return passing

    def watch(self) -> None:
        """Watch what this process does from now on."""
        moments = self
        connect = sqlite3.connect

        class Watched(sqlite3.Connection):
            def backup(self, target: sqlite3.Connection, *, progress: Any = None, **named: Any) -> None:
                def step(*status: int) -> None:
                    moments.passed()
                    progress(*status)

                super().backup(target, progress=step, **named)

        def connected(*arguments: Any, **named: Any) -> sqlite3.Connection:
            moments.passed()
            return connect(*arguments, factory=Watched, **named)

        sqlite3.connect = connected  # type: ignore[assignment]
        for name in _OPERATIONS:
            setattr(os, name, self.before(getattr(os, name)))


def _run(number: int, struck_by: signal.Signals, command: list[str]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        from system.cli import main

        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored
        moments = _Moments(number, struck_by)
        moments.watch()
        code: object = 1
        try:
            main(command, prog_name="python -m system")
        except SystemExit as end:
            code = end.code
        finally:
            os.write(writing, str(moments.seen).encode())
            os._exit(code if isinstance(code, int) else 1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        seen = pipe.read()
    _, status = os.waitpid(child, 0)
    return f"{os.waitstatus_to_exitcode(status)} {seen or 0}"


@contextmanager
def struck(
    folder: Path, struck_by: signal.Signals, *command: str
) -> Iterator[Callable[[int], tuple[int, int]]]:
    """A function that strikes the command at the moment of that number: the exit code, and the moments."""
    runner = subprocess.Popen(
        [sys.executable, "-m", "tests.system.struck", struck_by.name, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )

    def strike(number: int) -> tuple[int, int]:
        assert runner.stdin is not None
        assert runner.stdout is not None
        runner.stdin.write(f"{number}\n")
        runner.stdin.flush()
        code, seen = runner.stdout.readline().split()
        return int(code), int(seen)

    with runner:
        try:
            yield strike
        finally:
            runner.kill()


if __name__ == "__main__":
    import system.cli  # once, and not in each process

    assert system.cli
    for line in sys.stdin:
        print(_run(int(line), signal.Signals[sys.argv[1]], sys.argv[2:]), flush=True)  # noqa: T201
