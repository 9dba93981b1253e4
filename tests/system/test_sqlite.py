"""The store on SQLite alone: what is opened, what is refused, and what is on the disk."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import APPLICATION_ID, SCHEMA_VERSION, Connect, SQLiteStore, connecting
from system.store import Execution, StoreBusy, StoreError
from tests.system.files import FOREIGN, run, unprivileged
from tests.system.test_queue import leased
from tests.system.test_worker import worker, write


@pytest.fixture
def store(path: Path, clock: ManualClock) -> Iterator[SQLiteStore]:
    """A new store in a file."""
    with closing(SQLiteStore(path, clock=clock, create=True)) as store:
        yield store


def open_store(path: Path, *, create: bool = False, connect: Connect | None = None) -> SQLiteStore:
    """A store that waits for nobody."""
    return SQLiteStore(path, clock=ManualClock(), create=create, busy_seconds=0, connect=connect)


def test_a_file_of_version_1_is_brought_up(path: Path) -> None:
    """It gains the tables of the limits, and keeps its jobs."""
    store = SQLiteStore(path, clock=ManualClock(), create=True)
    with store.transaction() as tx:
        tx.add_job(key="k", payload_json="1", attempts_max=3)
    store.close()
    run(path, "DROP TABLE retries; DROP TABLE breaker; PRAGMA user_version = 1")
    for _ in range(2):
        store = SQLiteStore(path, clock=ManualClock())
        assert [job.key for job in store.jobs()] == ["k"]
        assert store.retries() == ()
        store.close()


def test_a_file_that_was_switched_to_a_rollback_journal_is_switched_back(path: Path) -> None:
    """Another program may do so, and then a loss of power could undo a commit; not while it has it open."""
    SQLiteStore(path, clock=ManualClock(), create=True).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchall() == [("delete",)]
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            open_store(path)
        other.execute("ROLLBACK")
    open_store(path).close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_a_second_writer_of_anything_waits_and_then_is_told(store: SQLiteStore, path: Path) -> None:
    """While a transaction is open any other raises StoreBusy after its wait, and reads go on."""
    with closing(open_store(path)) as other, store.transaction() as tx:
        tx.add_job(key=None, payload_json="1", attempts_max=1)
        with pytest.raises(StoreBusy, match=r"queue\.db: locked by another process for more than 0 s"):
            Queue(store=other).enqueue(2)
        assert other.jobs() == ()


def test_an_id_that_was_rolled_back_is_given_again(store: SQLiteStore) -> None:
    """A transaction that raises leaves no gap in the ids."""
    with suppress(KeyboardInterrupt), store.transaction() as tx:
        assert tx.add_job(key=None, payload_json="1", attempts_max=1).id == 1
        raise KeyboardInterrupt
    assert Queue(store=store).enqueue(2).id == 1


def test_a_worker_without_a_job_tells_busy_from_empty(
    store: SQLiteStore, clock: ManualClock, path: Path
) -> None:
    """`drain` raises StoreBusy where it cannot tell; `run_once` says that it did nothing."""
    mine = SQLiteStore(path, clock=clock, busy_seconds=0)
    with store.transaction():
        busy = worker(Queue(store=mine), write, clock)
        assert not busy.run_once()
        with pytest.raises(StoreBusy, match="locked by another process for more than 0 s"):
            busy.drain()
    mine.close()


def test_what_is_committed_is_synced(store: SQLiteStore, path: Path) -> None:
    """The file is in WAL mode, and each commit is synced: what was acknowledged outlives a power loss."""
    connections: list[sqlite3.Connection] = []

    def connect(target: str) -> sqlite3.Connection:
        connections.append(connecting(0)(target))
        return connections[-1]

    with closing(open_store(path, connect=connect)):
        asked = [
            connections[0].execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous")
        ]
    assert asked == [("wal",), (2,)]
    assert store.jobs() == ()


OPERATIONS: dict[str, Callable[[Queue, Execution], object]] = {
    "enqueue": lambda queue, _: queue.accept(1, key="new"),
    "lease": lambda queue, _: queue.lease("A"),
    "start": lambda queue, held: queue.start(held),
    "heartbeat": lambda queue, held: queue.heartbeat(held),
    "commit": lambda queue, held: queue.commit(held, 1),
    "finish": lambda queue, held: queue.finish(held),
    "fail": lambda queue, held: queue.fail(held, detail=""),
    "reconcile": lambda queue, _: queue.reconcile(),
    "audit": lambda queue, _: queue.store.audit(job_id=1),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_finds_its_rows_by_an_index(path: Path, operation: str) -> None:
    """No statement of it reads a whole table or sorts, so its cost does not grow with the queue."""
    statements: list[str] = []
    connections: list[sqlite3.Connection] = []

    def connect(target: str) -> sqlite3.Connection:
        connections.append(connecting(0)(target))
        return connections[-1]

    clock = ManualClock()
    with closing(SQLiteStore(path, clock=clock, create=True, connect=connect)) as store:
        queue = Queue(store=store)
        for number in range(2):
            queue.enqueue(number, key=str(number))
        held = leased(queue, "dead").execution
        clock.advance(30_000 if operation in ("lease", "reconcile") else 0)
        connections[0].set_trace_callback(statements.append)
        OPERATIONS[operation](queue, held)
        connections[0].set_trace_callback(None)
        work = [text for text in statements if text not in ("BEGIN IMMEDIATE", "COMMIT")]
        plan = [row[3] for text in work for row in connections[0].execute(f"EXPLAIN QUERY PLAN {text}")]
    assert plan, "the operation ran a statement"
    first = "SCAN jobs USING INDEX jobs_new"
    """The first entry of an index is what is read of it."""
    scans = [step for step in plan if "SCAN" in step and not step.startswith("SCAN (subquery")]
    assert not [step for step in plan if "TEMP B-TREE" in step]
    if operation == "lease":
        assert "SEARCH jobs USING INDEX jobs_timed (available_at<?)" in plan
    assert scans == [first] * (operation == "lease")


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_not_a_queue_is_left_as_it_is(path: Path, kind: str, create: bool) -> None:
    """It is refused by name, byte for byte unchanged, and with nothing beside it."""
    FOREIGN[kind](path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"queue\.db: not a queue database"):
        open_store(path, create=create)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1])
def test_another_schema_version_is_refused(path: Path, version: int) -> None:
    """A queue that another version of the program wrote is not touched."""
    open_store(path, create=True).close()
    run(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    why = f"schema version {version}, and this program knows {SCHEMA_VERSION}"
    with pytest.raises(StoreError, match=why):
        open_store(path, create=True)
    assert path.read_bytes() == before


def test_a_queue_is_marked_as_one(path: Path) -> None:
    """The application id and the schema version are in the file's header."""
    open_store(path, create=True).close()
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72]) == APPLICATION_ID
    assert int.from_bytes(header[60:64]) == SCHEMA_VERSION


def test_an_empty_file_becomes_a_queue_only_when_asked(path: Path) -> None:
    """Without `create` it is refused; with it, it is what a missing file is."""
    path.touch()
    with pytest.raises(StoreError, match="not a queue database"):
        open_store(path)
    with closing(open_store(path, create=True)) as store:
        assert store.jobs() == ()


def test_what_cannot_be_a_file_is_refused(path: Path) -> None:
    """A missing file, a missing folder, a directory and a device are each told for what they are."""
    with pytest.raises(StoreError, match=r"queue\.db: no such file; `enqueue` creates a queue"):
        open_store(path)
    with pytest.raises(StoreError, match="there is no folder"):
        open_store(path / "deeper", create=True)
    with pytest.raises(StoreError, match="a directory; name a file"):
        open_store(path.parent, create=True)
    with pytest.raises(StoreError, match="/dev/null: not a regular file"):
        open_store(Path("/dev/null"), create=True)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["a?mode=memory", "a#b", "a%20b", "\u00e9 \U0001f600", ":memory:"])
def test_any_file_name_will_do(path: Path, name: str) -> None:
    """Whatever means something in a URI means nothing in the name of a file."""
    with closing(open_store(path.with_name(name), create=True)) as store:
        Queue(store=store).enqueue(1)
        assert (path.with_name(name)).stat().st_size > 0


@pytest.mark.parametrize("statement", range(1, 6))
def test_two_processes_may_create_the_same_file(path: Path, statement: int) -> None:
    """Before whichever of its first statements another process creates the queue, a store opens it."""
    ran = 0

    class Slow(sqlite3.Connection):
        def execute(self, sql: str, _: object = (), /) -> sqlite3.Cursor:
            nonlocal ran
            ran += 1
            if ran == statement:
                with closing(open_store(path, create=True)) as other:
                    Queue(store=other).enqueue("theirs")
            return super().execute(sql)

    def connect(target: str) -> sqlite3.Connection:
        return sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, factory=Slow)

    with closing(open_store(path, create=True, connect=connect)) as store:
        assert ran >= statement
        assert [job.payload for job in store.jobs()] == ["theirs"]


def test_a_store_waits_to_create_what_another_holds(path: Path) -> None:
    """Where SQLite does not wait for a lock, the store does, and then it raises StoreBusy."""
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            open_store(path, create=True)

        class Releasing(ManualClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                other.execute("ROLLBACK")

        SQLiteStore(path, clock=Releasing(), create=True, busy_seconds=1).close()


def test_a_file_that_may_only_be_read_is_read(locked_folder: Path) -> None:
    """Counts and history can be read while a worker has the file open; an enqueue is refused."""
    path = locked_folder / "queue.db"
    with closing(open_store(path)) as owner:
        owner.jobs()
        with unprivileged(), closing(open_store(path, create=True)) as store:
            assert store.counts().pending == 1
            assert [row.event for row in store.audit(job_id=1)] == ["enqueued"]
            with pytest.raises(StoreError, match=r"queue\.db: the file or its folder is read-only"):
                Queue(store=store).enqueue(2)
        assert len(owner.jobs()) == 1


def test_a_file_that_sqlite_cannot_read_without_writing_is_refused(locked_folder: Path) -> None:
    """With nobody else at it, SQLite must make a file beside it: where it may not, that is said."""
    path = locked_folder / "queue.db"
    before = path.read_bytes()
    with unprivileged(), pytest.raises(StoreError, match="the file or its folder is read-only; this needs"):
        open_store(path)
    path.chmod(0o000)
    with unprivileged(), pytest.raises(StoreError, match="cannot be opened; SQLite needs leave to read it"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_read_only_file_in_a_folder_that_may_be_written_is_read(locked_folder: Path) -> None:
    """SQLite makes the files it needs beside it, and the queue itself is not changed."""
    locked_folder.chmod(0o777)
    path = locked_folder / "queue.db"
    before = path.read_bytes()
    with unprivileged(), closing(open_store(path, create=True)) as store:
        assert store.counts().pending == 1
        with pytest.raises(StoreError, match="read-only"):
            Queue(store=store).enqueue(2)
    assert path.read_bytes() == before


def test_a_damaged_file_is_told(store: SQLiteStore, path: Path) -> None:
    """Pages overwritten with noise are an error that names the file, and no row is made up."""
    for number in range(200):
        Queue(store=store).enqueue("x" * 100, key=str(number))
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with (
        closing(open_store(path)) as damaged,
        pytest.raises(StoreError, match=r"queue\.db: the database file"),
    ):
        damaged.jobs()
