"""A whole command as a process: its wall time, its CPU time, and what it prints."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from attrs import frozen

from system.clock import Stopwatch

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A command did not come to its end. The message is what it said last."""


@frozen(kw_only=True)
class Ran:
    """What a command took, and its standard output. The CPU time is that of its own child processes, too."""

    seconds: float
    cpu_seconds: float
    printed: str


def run_python(*arguments: str, folder: Path = ROOT) -> Ran:
    """Run Python with the modules of a folder, in it. What the command saves is removed. Raises Failed."""
    with tempfile.TemporaryDirectory() as saved:
        before, stopwatch = _cpu_seconds_of_children(), Stopwatch()
        done = subprocess.run(
            (sys.executable, *arguments),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "FAILURE_MODES_PLACE": saved},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        seconds, cpu_seconds = stopwatch.seconds, _cpu_seconds_of_children() - before
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise Failed(said.splitlines()[-1])
    return Ran(seconds=seconds, cpu_seconds=cpu_seconds, printed=done.stdout)


def _cpu_seconds_of_children() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime
