"""What a store has answered, and a symlink to its file."""

from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import StoreError


def open_store(path: Path, *, create: bool = True) -> SQLiteStore:
    """A store that waits for nobody."""
    return SQLiteStore(path, clock=ManualClock(), create=create, busy_seconds=0)


@pytest.fixture
def link(path: Path) -> Path:
    """A symlink to the queue, in a folder of its own."""
    folder = path.with_name("links")
    folder.mkdir()
    (folder / "link.db").symlink_to(path)
    return folder / "link.db"


def enqueued(store: SQLiteStore, prefix: str, count: int) -> list[str]:
    """The keys of the jobs that were accepted and answered."""
    answered = []
    for number in range(count):
        try:
            answered.append(str(Queue(store=store).enqueue(number, key=f"{prefix}{number}").key))
        except StoreError:
            continue
    return answered


def ask(path: Path, key: str, answered: list[str]) -> None:
    """Enqueue as the command does, and note the key when it was answered."""
    with closing(open_store(path)) as store:
        Queue(store=store).enqueue(1, key=key)
    answered.append(key)
