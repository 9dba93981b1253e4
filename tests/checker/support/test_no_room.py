"""No room for the temporary databases: one line names the folder, and says how to choose another one."""

import errno
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.simulation.sqlite_database import fresh_database
from failure_modes.checker.subject.queue_subject import QueueSubject
from failure_modes.checker.support import temporary
from failure_modes.checker.support.temporary import NAME_LENGTH_MAX, NAMED, no_room_in, own, places, room
from system.store import StoreError
from tests.checker.commands import ROOT, run

TRACE = "failure_modes/FM_001_duplicate_retry/traces/both_commit_after_the_lease_ran_out.json"
COMMANDS = (
    ("find", "FM_001"),
    ("explore", "--granularity", "statement", "--examples", "20"),
    ("replay", TRACE),
    ("prove", "FM_001", "--granularity", "statement", "--processes", "2"),
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="room-", dir="/tmp") as name:
        yield Path(name)


def _ran(folder: Path, bytes_max: int, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the checker with its databases in that folder, and a limit on the size of files."""
    return subprocess.run(
        [sys.executable, "-m", "failure_modes", *command],
        cwd=ROOT,
        env=os.environ | {NAMED: str(folder)},
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max)),
    )


@pytest.mark.parametrize("begun", [False, True], ids=["before it begins", "in the middle"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_without_room_says_so_in_one_line(
    command: tuple[str, ...], begun: bool, folder: Path
) -> None:
    """Without room a command names the folder and the variable, has exit code 3, and reports no finding."""
    empty = (
        fresh_database(QueueSubject(Scope(), guarded)).stat().st_size
    )  # a few pages; the log of a run soon needs more
    bytes_max = empty * 4 // 3 if begun else empty // 8
    done = _ran(folder, bytes_max, *command)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        f"error: {folder}: no temporary database can be written there (disk I/O error);"
        f" make room, or name another folder in {NAMED}"
    ]
    assert list(folder.iterdir()) == []


def test_a_command_has_its_databases_in_the_folder_that_is_named(folder: Path) -> None:
    """A folder that cannot be used is refused with a hint; the usual folder is swept, too."""
    done = run("replay", TRACE, **{NAMED: str(folder / "missing")})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: {folder}/missing: {NAMED} must name a folder that can be written to,"
        f" whose path has at most {NAME_LENGTH_MAX} characters\n"
    )
    left = folder / "queue-left"
    left.mkdir()
    (left / temporary.MARK).write_bytes(temporary._TEXT)  # noqa: SLF001 (as a killed owner leaves it)
    assert run("list", **{NAMED: str(folder)}).returncode == 0
    assert list(folder.iterdir()) == []


def test_a_path_that_is_too_long_for_a_socket_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of the greatest length is accepted, and a longer one is refused."""
    at_most = folder / ("x" * (NAME_LENGTH_MAX - len(str(folder)) - 1))
    longer = at_most.with_name(at_most.name + "x")
    at_most.mkdir()
    longer.mkdir()
    monkeypatch.setenv(NAMED, str(at_most))
    assert temporary.named() == at_most
    assert places()[0] == at_most
    monkeypatch.setenv(NAMED, str(longer))
    with pytest.raises(OSError, match=NAMED):
        temporary.named()


def _sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


def _caused(text: str, cause: Exception) -> Exception:
    error = StoreError(text)
    error.__cause__ = cause
    return error


IN_OWN = str(own() / "run-1.db")
FULL = _sqlite_error(sqlite3.SQLITE_FULL)
NO_ROOM = (
    OSError(errno.ENOSPC, "No space left on device", IN_OWN),
    FULL,
    _sqlite_error(sqlite3.SQLITE_IOERR_WRITE),
    _caused(f"{IN_OWN}: the disk is full", FULL),
)
ANOTHER = (
    OSError(errno.ENOSPC, "No space left on device", "/elsewhere/trace.json"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EACCES, "Permission denied", IN_OWN),
    _sqlite_error(sqlite3.SQLITE_BUSY),
    _sqlite_error(sqlite3.SQLITE_CORRUPT),
    _caused("/elsewhere/queue.db: the disk is full", FULL),
    _caused(f"{IN_OWN}: locked", _sqlite_error(sqlite3.SQLITE_BUSY)),
    StoreError(f"{IN_OWN}: no queue"),
    ValueError("no number"),
)


@pytest.mark.parametrize("error", NO_ROOM)
def test_an_error_of_a_full_file_system_is_no_room(error: Exception) -> None:
    """A full file system raises NoRoom, whatever layer reports it; no search counts it as a finding."""
    with pytest.raises(temporary.NoRoom, match=str(own().parent)) as raised, room():
        raise error
    assert not isinstance(raised.value, Exception)


@pytest.mark.parametrize("error", ANOTHER)
def test_another_error_is_unchanged(error: Exception) -> None:
    """An error of another folder, or with another reason, is not changed."""
    assert no_room_in(error) is None
    with pytest.raises(type(error)) as raised, room():
        raise error
    assert raised.value is error
