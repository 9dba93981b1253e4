"""A queue on a new file or in an emptied database, and the clock it reads."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock, SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Store
from tests.system.databases import Database, PostgreSQL, SQLite
from tests.system.processes import HANDLERS

HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(1_000_000)


@pytest.fixture
def path() -> Iterator[Path]:
    """A file that does not exist, on a memory file system where there is one: these tests lose no power."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder, "queue.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each database that a store can be in. A file about one has a fixture of this name of its own."""
    if request.param == "sqlite":
        return SQLite(request.getfixturevalue("path"))
    return PostgreSQL(request.getfixturevalue("postgresql_queue_dsn"))


@pytest.fixture
def store(database: Database, clock: ManualClock) -> Iterator[Store]:
    """A new store in it."""
    store = database.open(clock=clock, create=True)
    yield store
    store.close()


@pytest.fixture
def queue(store: Store) -> Queue:
    """A queue over it: leases of 30 s, 3 attempts, backoff from 1 s to 60 s."""
    return Queue(store=store)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that only its owner may write to, with a queue of one job that all may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(SQLiteStore(folder / "queue.db", clock=ManualClock(), create=True)) as store:
            Queue(store=store).enqueue(1)
        (folder / "queue.db").chmod(0o444)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o700)


@pytest.fixture
def place(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the file. What runs in it finds the database: QUEUE_DB names one that is no file."""
    monkeypatch.delenv("QUEUE_DB", raising=False)
    if isinstance(database, PostgreSQL):
        monkeypatch.setenv("QUEUE_DB", database.dsn)
    return path.parent


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: it holds handlers, and no queue that is a file."""
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    Path("handlers.py").write_text(HANDLERS)
    Path("broken.py").write_text("import handlers\nimport nowhere_to_be_found\n")
    Path("leaving.py").write_text("raise SystemExit(3)\n")
    return place


@pytest.fixture
def opened(database: Database) -> Iterator[Store]:
    """The queue that the commands use, on the machine's clock."""
    store = database.open(clock=SystemClock(), create=True)
    yield store
    store.close()


@pytest.fixture
def later(database: Database) -> Iterator[Store]:
    """The queue of the commands, with two jobs, by a clock an hour on: there each lease has run out."""
    with closing(database.open(clock=SystemClock(), create=True)) as now:
        queue = Queue(store=now)
        queue.enqueue(1)
        queue.enqueue(2)
    with closing(database.open(clock=ManualClock(SystemClock().now() + HOUR_MS))) as store:
        yield store
