"""Queues and what became of them: what a test of backup and restore looks at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.sqlite.backup import back_up
from tests.system.files import rows, sound
from tests.system.processes import PROJECT

OLD = ["old-1", "old-2"]
NEW = [*OLD, "new-1", "new-2"]
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
store.close()
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


@pytest.fixture
def backup(path: Path) -> Path:
    """A backup of a queue of two jobs, which holds two others by now."""
    enqueue(path, *OLD)
    backup = path.with_name("backup.db")
    back_up(path, backup)
    with closing(SQLiteStore(path, clock=ManualClock())) as store, store.transaction() as tx:
        tx.add_job(key="new-1", payload_json="1", attempts_max=1)
        tx.add_job(key="new-2", payload_json="2", attempts_max=1)
    return backup


@pytest.fixture
def backup_and_log(path: Path) -> Path:
    """A backup of a queue of two jobs, which was killed with more jobs in its log."""
    enqueue(path, *OLD)
    backup = path.with_name("backup.db")
    back_up(path, backup)
    left_by_a_kill(path, *[f"new-{number}" for number in range(200)])
    return backup


def content(path: Path) -> dict[str, bytes]:
    """The files of a database, by what their name adds to its own."""
    found = path.parent.glob(f"{path.name}*")
    return {file.name.removeprefix(path.name): file.read_bytes() for file in found}


def put_back(saved: Path, folder: Path) -> None:
    """Let the folder be what it was."""
    for file in folder.iterdir():
        file.unlink()
    for file in saved.iterdir():
        shutil.copy2(file, folder / file.name)
