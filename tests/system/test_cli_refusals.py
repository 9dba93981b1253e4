"""The command line: what it refuses, in one line, and what it leaves untouched."""

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from system.cli import main
from system.clock import SystemClock
from system.queue import Queue
from system.sqlite import SCHEMA_VERSION, SQLiteStore
from tests.system.commands import call, fine, refused
from tests.system.databases import Database, SQLite
from tests.system.files import FOREIGN, run, unprivileged
from tests.system.processes import process

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def database(path: Path) -> Database:
    """A file. What is refused of PostgreSQL is in `test_cli_postgresql.py`."""
    return SQLite(path)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("1e400", "Out of range"),
        ("{", "PAYLOAD is not JSON: Expecting property name"),
        ("", "PAYLOAD is not JSON: Expecting value"),
        ("hello", "give JSON text such as"),
        ("1" * 5000, "a whole number has 5,000 digits, and 4,300 are the most"),
        ("[" * 100_000, "PAYLOAD is not JSON that can be kept: nested more than 500 deep"),
        ('"\udcff"', "PAYLOAD is not UTF-8 at character 1"),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_payload_that_is_not_json_is_refused(payload: str, why: str, path: Path) -> None:
    """It is refused before anything is created."""
    assert why in refused("enqueue", payload)
    assert not path.exists()


def test_what_else_an_enqueue_refuses(path: Path) -> None:
    """A payload on stdin that is not UTF-8, an impossible key, no attempts: refused, and nothing created."""
    assert "PAYLOAD on stdin is not UTF-8: invalid start byte" in refused("enqueue", "-", stdin=b'"\xff"')
    assert "the idempotency key is empty" in refused("enqueue", "1", "--key", "")
    assert "not valid Unicode" in refused("enqueue", "1", "--key", "\udcff")
    assert "0 is not in the range" in refused("enqueue", "1", "--attempts", "0")
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Missing command. See `python -m system --help`."),
        (("nope",), "No such command 'nope'."),
        (("status", "--nope"), "No such option"),
        (("enqueue",), "Missing argument 'PAYLOAD'. See `python -m system enqueue --help`."),
        (("--busy-seconds", "nan", "status"), "nan is not a number of seconds"),
        (("work", "handlers:echo", "--lease-seconds", "inf"), "inf is not a number of seconds"),
        (("work", "handlers:echo", "--poll-seconds", "0"), "0.0 is not a number of seconds"),
        (("work", "handlers:echo", "--name", ""), "--name '' must be text in Unicode, of 1 to"),
        (("work", "handlers:echo", "--name", "\udcff"), r"--name '\udcff' must be text"),
        (("audit", "x"), "'x' is not a valid integer"),
        (("audit", str(10**30)), "is not in the range"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_line_too(arguments: tuple[str, ...], why: str, path: Path) -> None:
    """What the user wrote is told in one line, which says where help is."""
    result = CliRunner().invoke(main, arguments, prog_name="python -m system")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert why in result.stderr
    assert not path.exists()


COMMANDS = (
    ("enqueue", "1"),
    ("work", "handlers:echo", "--drain"),
    ("reconcile",),
    ("status",),
    ("audit", "1"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_not_a_queue_is_left_alone(command: tuple[str, ...], kind: str, path: Path) -> None:
    """No command changes a byte of it, or makes a file beside it."""
    FOREIGN[kind](path)
    before = path.read_bytes(), set(path.parent.iterdir())
    assert "queue.db: not a queue database" in refused(*command)
    assert (path.read_bytes(), set(path.parent.iterdir()) - {path.parent / "__pycache__"}) == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_newer_queue_is_left_alone(command: tuple[str, ...], opened: SQLiteStore, path: Path) -> None:
    """No command touches a file that a newer version of the program wrote."""
    opened.close()
    run(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    why = f"schema version {SCHEMA_VERSION + 1}, and this program knows {SCHEMA_VERSION}: use the version"
    assert why in refused(*command)
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda command: command[0])
def test_a_missing_file_is_created_by_enqueue_only(command: tuple[str, ...], path: Path) -> None:
    """Every other command says that there is no such file, and creates none."""
    assert refused(*command) == "error: queue.db: no such file; `enqueue` creates a queue"
    assert not path.exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_directory_is_refused(command: tuple[str, ...], folder: Path) -> None:
    """A directory is told for what it is, also where its name has a line break."""
    Path("a\nb").mkdir()
    assert refused("--db", "a\nb", *command) == r"error: a\nb: a directory; name a file"
    assert refused("--db", str(folder), *command) == f"error: {folder}: a directory; name a file"


@pytest.mark.parametrize(
    "command", [*COMMANDS[:3], ("work", "handlers:echo", "--once")], ids=lambda command: " ".join(command)
)
def test_a_locked_database_is_told_after_the_wait(command: tuple[str, ...], opened: SQLiteStore) -> None:
    """A command that writes says that it is locked; those that read are not held up."""
    Queue(store=opened).enqueue(1)
    with opened.transaction():
        result = call("--busy-seconds", "0", *command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.splitlines()[-1] == (
            "error: queue.db: locked by another process for more than 0 s; try again when it is done"
        )
        fine("--busy-seconds", "0", "status")
        fine("--busy-seconds", "0", "audit", "1")
    assert len(list(opened.audit())) == 1


def test_a_read_only_file_can_be_looked_at(locked_folder: Path) -> None:
    """`status` and `audit` read it while a worker is at it; what writes says that it is read-only."""
    path = str(locked_folder / "queue.db")
    with closing(SQLiteStore(path, clock=SystemClock())) as owner:
        owner.jobs()
        with unprivileged():
            assert fine("--db", path, "status").split()[:2] == ["PENDING", "1"]
            assert "enqueued" in fine("--db", path, "audit", "1")
            assert "the file or its folder is read-only" in refused("--db", path, "enqueue", "1")
        assert len(list(owner.audit())) == 1


def test_a_real_process_fails_in_one_line(tmp_path: Path) -> None:
    """`python -m system` itself ends in exit code 2, one line on stderr, and nothing on stdout."""
    with process(tmp_path, "status") as running:
        assert running.end() == (2, "", "error: queue.db: no such file; `enqueue` creates a queue\n")
    assert [path.name for path in tmp_path.iterdir()] == ["handlers.py"]
