"""Queues and what became of them: what a test of backup and restore looks at."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from tests.system.files import rows, sound
from tests.system.processes import PROJECT

_HOLDING = """
import os, signal, sys
from system.clock import SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore

store = SQLiteStore(sys.argv[1], clock=SystemClock(), create=True)
for key in sys.argv[2:]:
    Queue(store=store).enqueue(key, key=key)
print("open", flush=True)
sys.stdin.read()
"""


def enqueue(path: Path, *keys: str) -> None:
    """Enqueue a job for each key."""
    with closing(SQLiteStore(path, clock=ManualClock(1_000), create=True)) as store:
        for key in keys:
            Queue(store=store).enqueue(key, key=key)


def keys(path: Path) -> list[str]:
    """The keys of the jobs that are there, in a file with nothing wrong."""
    assert sound(path)
    return [str(key) for (key,) in rows(path, "SELECT key FROM jobs ORDER BY id")]


@contextmanager
def open_elsewhere(path: Path, *keys: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has enqueued these and has the queue open. It is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDING, str(path), *keys],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def left_by_a_kill(path: Path, *keys: str) -> None:
    """A queue whose last process was killed: the jobs are in its log."""
    with open_elsewhere(path, *keys):
        pass
    assert Path(f"{path}-wal").stat().st_size


def damage(path: Path) -> None:
    """Overwrite all pages but the first."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * max(size - 4096, 4096))


def names(path: Path) -> list[str]:
    """What is in the folder."""
    return sorted(file.name for file in path.parent.iterdir())
