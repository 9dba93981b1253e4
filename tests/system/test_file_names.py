"""A queue with several names: hard links, symlinks, and a log whose database is elsewhere."""

from contextlib import closing
from pathlib import Path

import pytest

from system.queue import Queue
from system.store import StoreError, StoreUnavailable
from tests.system.answers import ask, enqueued, link, open_store
from tests.system.backups import enqueue, keys
from tests.system.commands import refused
from tests.system.files import beside

__all__ = ["link"]


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


def test_a_relative_name_in_a_folder_that_was_removed_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it names no file. A full path does."""
    enqueue(path, "a")
    gone = path.with_name("gone")
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    why = "the current folder was removed; name a file by its full path"
    for command in (("enqueue", "1"), ("status",), ("backup", str(path)), ("restore", str(path))):
        assert refused("--db", "queue.db", *command) == f"error: queue.db: {why}"
    for command in (("backup", "b.db"), ("restore", "b.db")):
        assert refused("--db", str(path), *command) == f"error: b.db: {why}"
    assert keys(path) == ["a"]
