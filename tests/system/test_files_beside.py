"""SQLite beside its files: symlinks, hard links, and a log or an index that is removed under a live store."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from system.clock import ManualClock, SystemClock
from system.queue import Queue
from system.sqlite import Connect, SQLiteStore
from system.store import StoreBusy, StoreError, StoreUnavailable
from tests.system.commands import fine, refused
from tests.system.files import beside, rows, run_elsewhere, sound
from tests.system.outages import error_of
from tests.system.processes import ran

SAVED = "stop every process of this queue: the last to end saves all jobs"
LOGS = [("-wal",), ("-shm",), ("-wal", "-shm")]


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


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as stack:
        yield stack


def enqueued(store: SQLiteStore, prefix: str, count: int) -> list[str]:
    """The keys of the jobs that were accepted and answered."""
    answered = []
    for number in range(count):
        try:
            answered.append(str(Queue(store=store).enqueue(number, key=f"{prefix}{number}").key))
        except StoreError:
            continue
    return answered


def keys(path: Path) -> list[str]:
    """The keys of the jobs that are there."""
    assert sound(path)
    return [str(key) for (key,) in rows(path, "SELECT key FROM jobs ORDER BY id")]


# What is removed.


@pytest.mark.parametrize("removed", LOGS, ids="".join)
@pytest.mark.parametrize("linked", [False, True], ids=["plain", "through a symlink"])
def test_what_was_answered_is_there_whatever_was_removed(
    path: Path, link: Path, removed: tuple[str, ...], linked: bool, stack: ExitStack
) -> None:
    """A live store accepts no job once its log or the index is gone, nor does one that is opened then.

    What was answered before is saved when the live store is closed.
    """
    shown = link if linked else path
    live = stack.enter_context(closing(open_store(shown)))
    answered = enqueued(live, "before", 5)
    for suffix in removed:
        beside(path, suffix).unlink()
    with pytest.raises(
        StoreBusy,
        match=f"{shown}: another process has it open, and {path}{removed[0]} is missing; {SAVED}; then try",
    ):
        open_store(shown)
    with pytest.raises(
        StoreUnavailable,
        match=f"{path}{removed[0]}: removed or moved while it was open; put it back, or {SAVED}",
    ):
        Queue(store=live).enqueue(1)
    answered += enqueued(live, "after", 50)
    live.close()
    with closing(open_store(shown)) as later:
        answered += enqueued(later, "later", 5)
    assert keys(path) == answered


@pytest.mark.parametrize("removed", LOGS, ids="".join)
def test_a_store_that_is_closed_destroys_nothing_of_others(path: Path, removed: tuple[str, ...]) -> None:
    """Another program began a new log: what it has committed outlives the store that has the old one."""
    with closing(open_store(path)) as store:
        answered = enqueued(store, "before", 5)
    live = open_store(path)
    for suffix in removed:
        beside(path, suffix).unlink()
    run_elsewhere(
        path,
        "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, timed, token)"
        " VALUES ('theirs', '', 1, 1, 0, '')",
    )
    assert beside(path, removed[0]).stat().st_size
    with pytest.raises(StoreError, match=f"{removed[0]}: another file has taken its place"):
        Queue(store=live).enqueue(1)
    live.close()
    assert keys(path) == [*answered, "theirs"]


def test_nothing_is_written_to_the_log_before_it_was_checked(path: Path) -> None:
    """Not even of a transaction that is larger than SQLite's cache: others may have written there."""
    with closing(open_store(path)) as store:
        log = beside(path, "-wal")
        before = log.stat().st_size
        with store.transaction() as tx:
            for _ in range(8):
                tx.add_job(key=None, payload_json="x" * 1_000_000, attempts_max=1)
            assert log.stat().st_size == before
        assert log.stat().st_size > before


class Removing:
    """Connections that remove a file after the statement of that number, if it is there by then."""

    def __init__(self, file: Path, number: int) -> None:
        self._file = file
        self._number = number
        self.ran = 0
        self.struck = False

    def connecting(self, _: float) -> Connect:
        """Opens such connections."""
        removing = self

        class Watched(sqlite3.Connection):
            def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
                cursor = super().execute(sql, values)  # type: ignore[arg-type]
                removing.ran += 1
                if removing.ran == removing._number and removing._file.exists():
                    removing._file.unlink()
                    removing.struck = True
                return cursor

        return lambda target: sqlite3.connect(target, isolation_level=None, uri=True, factory=Watched)


@pytest.mark.parametrize("removed", ["-wal", "-shm"])
def test_whenever_a_file_is_removed_no_job_is_accepted(
    path: Path, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the statement that makes it, while the store is being opened, to the COMMIT."""
    open_store(path).close()
    accepted: list[str] = []
    struck = 0
    for number in itertools.count(1):
        removing = Removing(beside(path, removed), number)
        monkeypatch.setattr("system.sqlite.store.connecting", removing.connecting)
        error = error_of(partial(ask, path, f"k{number}", accepted))
        assert (error is not None) == removing.struck
        struck += removing.struck
        if removing.ran < number:
            break
    assert struck > 10
    assert set(accepted) <= set(keys(path))


def ask(path: Path, key: str, answered: list[str]) -> None:
    """Enqueue as the command does, and note the key when it was answered."""
    with closing(open_store(path)) as store:
        Queue(store=store).enqueue(1, key=key)
    answered.append(key)


def test_other_processes_may_come_and_go(path: Path) -> None:
    """What they make and remove beside the file is not taken for a removal, and the file for another."""
    with closing(open_store(path)) as store:
        for number in range(3):
            with closing(open_store(path)) as other:
                Queue(store=other).enqueue(number)
                Queue(store=store).enqueue(number)
            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("VACUUM")
            assert fine("--db", str(path), "enqueue", "1")
            assert ran(path.parent, "--db", str(path), "enqueue", "1").returncode == 0
        assert len(store.jobs()) == 12
    assert not beside(path, "-wal").exists()


def test_processes_that_open_and_close_at_once_wait_for_each_other(path: Path) -> None:
    """What lies beside the file may be missing while another opens or closes it: that is no error."""
    open_store(path).close()
    errors: list[BaseException] = []

    def come_and_go(name: str) -> None:
        try:
            for number in range(20):
                with closing(SQLiteStore(path, clock=SystemClock())) as store:
                    Queue(store=store).enqueue(number, key=f"{name}{number}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(keys(path)) == 60


# Names: hard links and symlinks.


def test_a_file_with_two_names_is_refused(path: Path) -> None:
    """Under each name it would get a log of its own. With one name left it is a queue again."""
    answered: list[str] = []
    ask(path, "a", answered)
    second = path.with_name("second.db")
    second.hardlink_to(path)
    before = path.read_bytes()
    for name in (path, second):
        with pytest.raises(
            StoreError, match=f"^{name}: the file has 2 names .hard links., .* all names but one"
        ):
            open_store(name)
    assert sorted(file.name for file in path.parent.iterdir()) == ["queue.db", "second.db"]
    assert path.read_bytes() == before
    path.unlink()
    ask(second, "b", answered)
    assert keys(second) == answered


def test_a_live_store_waits_while_its_file_has_two_names(path: Path) -> None:
    """A second name given to it while it is open is told, and once it is gone the store goes on."""
    second = path.with_name("second.db")
    with closing(open_store(path)) as store:
        answered = enqueued(store, "a", 5)
        second.hardlink_to(path)
        with pytest.raises(StoreUnavailable, match="the file has 2 names"):
            Queue(store=store).enqueue(1)
        answered += enqueued(store, "b", 5)
        second.unlink()
        answered += enqueued(store, "c", 5)
        assert len(answered) == 10
    assert keys(path) == answered


def test_a_symlink_to_the_queue_is_the_queue(path: Path, link: Path) -> None:
    """Opened by both names at once it has one log, beside the file, and all jobs are in it."""
    with closing(open_store(path)) as one, closing(open_store(link)) as two:
        answered = [*enqueued(one, "one", 3), *enqueued(two, "two", 3), *enqueued(one, "three", 3)]
        assert beside(path, "-wal").stat().st_size
        assert [file.name for file in link.parent.iterdir()] == ["link.db"]
    assert keys(path) == answered
    assert len(answered) == 9


def test_a_symlink_that_is_made_to_lead_elsewhere_is_noticed(path: Path, link: Path) -> None:
    """What is opened by that name from now on is another file, so no job is accepted into the first."""
    other = path.with_name("other.db")
    open_store(other).close()
    with closing(open_store(link)) as store:
        link.unlink()
        link.symlink_to(other)
        with pytest.raises(StoreError, match=f"{link}: another file has taken its place"):
            Queue(store=store).enqueue(1)
    with closing(open_store(link)) as store:
        path.rename(path.with_name("moved.db"))
        Queue(store=store).enqueue(1)
        link.unlink()
        with pytest.raises(
            StoreUnavailable, match=f"{link}: removed or moved while it was open; put it back"
        ):
            Queue(store=store).enqueue(1)


def test_a_file_that_was_moved_behind_its_symlink_is_noticed(path: Path, link: Path) -> None:
    """The symlink leads to it again, but others would look for its log beside the new name."""
    moved = path.with_name("moved.db")
    with closing(open_store(link)) as store:
        path.rename(moved)
        link.unlink()
        link.symlink_to(moved)
        with pytest.raises(StoreUnavailable, match="removed or moved while it was open; put it back"):
            Queue(store=store).enqueue(1)


def test_a_symlink_that_leads_to_nothing(path: Path, link: Path) -> None:
    """A queue is created where it leads, if that is asked for and there is a folder."""
    with pytest.raises(
        StoreError, match=f"^{link}: a symlink to {path}, which is not there; `enqueue` creates"
    ):
        open_store(link, create=False)
    ask(link, "a", [])
    assert keys(path) == ["a"]
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(path.parent / "nowhere" / "queue.db")
    with pytest.raises(
        StoreError, match=f"^{link}: there is no folder {path.parent}/nowhere to create it in$"
    ):
        open_store(link)


def test_a_symlink_that_leads_back_to_itself_is_told(path: Path) -> None:
    """Alone or in a circle, whether a queue is to be created or not; and nothing is made."""
    other = path.with_name("other.db")
    path.symlink_to(other)
    other.symlink_to(path)
    for command in (("enqueue", "1"), ("status",), ("init",)):
        assert refused("--db", str(path), *command) == (
            f"error: {path}: a symlink that leads back to itself; name a file"
        )
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("left", ["missing", "empty"])
def test_a_log_without_its_database_is_kept(path: Path, left: str) -> None:
    """SQLite would remove it with the jobs in it. When the file is there again, so are the jobs."""
    live = open_store(path)
    answered = enqueued(live, "a", 5)
    aside = path.with_name("aside.db")
    path.rename(aside)
    if left == "empty":
        path.touch()
    for create in (True, False):
        with pytest.raises(
            StoreError, match=f"the file is {left}, but its log queue.db-wal is there and may"
        ):
            open_store(path, create=create)
    aside.replace(path)
    live.close()
    assert keys(path) == answered
