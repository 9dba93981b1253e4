"""The command line where the queue is a file: which one it is, and who makes it."""

from pathlib import Path

import pytest

from tests.system.commands import fine, refused
from tests.system.databases import Database, SQLite
from tests.system.processes import process

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def database(path: Path) -> Database:
    """A file."""
    return SQLite(path)


def test_the_database_may_come_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QUEUE_DB names the file where `--db` does not."""
    monkeypatch.setenv("QUEUE_DB", "other.db")
    fine("enqueue", "1")
    fine("--db", "named.db", "enqueue", "1")
    assert sorted(path.name for path in folder.glob("*.db")) == ["named.db", "other.db"]


def test_two_processes_may_enqueue_into_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """Both succeed, whoever creates it, and with the same key both are given the same job."""
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        arguments = ("enqueue", "1", "--key", "k")
        with process(folder, *arguments) as one, process(folder, *arguments) as two:
            ends = [one.end(), two.end()]
        assert [(code, out) for code, out, _ in ends] == [(0, "1\n")] * 2
        assert sorted("existed already" in err for _, _, err in ends) == [False, True]


def test_init_makes_a_queue_once(path: Path) -> None:
    """It says whether it has; a second time it changes nothing, and a job that is there stays."""
    assert fine("init") == "queue.db: a new queue\n"
    fine("enqueue", "1")
    before = path.read_bytes()
    assert fine("init") == "queue.db: a queue is there already\n"
    assert path.read_bytes() == before
    assert fine("--db", "other.db", "init") == "other.db: a new queue\n"


def test_init_leaves_what_is_not_a_queue(path: Path) -> None:
    """A file of another kind and a directory are refused."""
    path.write_text("This is no database. " * 100)
    assert "queue.db: not a queue database" in refused("init")
    assert "a directory; name a file" in refused("--db", ".", "init")
    assert path.read_text() == "This is no database. " * 100


@pytest.mark.parametrize(
    "name",
    [
        "mysql://me:hunter2@host/db",
        "postgresql+psycopg://me:hunter2@host/db",
        "POSTGRESQL://me:hunter2@host/db",
        "host=db user=me password=hunter2",
    ],
)
def test_what_looks_like_an_address_is_not_taken_for_a_file(name: str, folder: Path) -> None:
    """It is refused with what would be right, no part of it is repeated, and no file is made."""
    before = sorted(folder.iterdir())
    for command in (("enqueue", "1"), ("init",), ("status",)):
        line = refused("--db", name, *command)
        assert "neither a plain file name nor an address of PostgreSQL" in line
        assert not any(part in line for part in ("mysql", "psycopg", "POSTGRESQL", "hunter2", "me:", "/db"))
    assert sorted(folder.iterdir()) == before
