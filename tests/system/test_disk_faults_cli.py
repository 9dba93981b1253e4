"""The real command line through disk full, I/O error, lock, read-only file and removal, by the real thing."""

import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from system.clock import SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from tests.system.commands import refused
from tests.system.outages import check
from tests.system.processes import PROJECT, Process, process

Strike = Callable[[Path, Process], Callable[[], object]]
"""Lets the cause strike a file and the process that works on it. Returns what makes it go away."""


def _run(*command: str) -> bool:
    """Whether there is such a command, and it succeeds."""
    return (
        shutil.which(command[0]) is not None and not subprocess.run(command, capture_output=True).returncode
    )


def _fill(db: Path, _: Process) -> Callable[[], object]:
    """Fill the disk to its last byte: a small one, which the test has made."""
    filler = db.with_name("filler")
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return filler.unlink


def _limit(_: Path, running: Process) -> Callable[[], object]:
    """Let each write of the process fail: a file may not be larger than it is."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("no limit can be set for another process here")
    pid, kind = running.popen.pid, resource.RLIMIT_FSIZE
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (0, hard))
    return lambda: resource.prlimit(pid, kind, (soft, hard))


def _lock(db: Path, _: Process) -> Callable[[], object]:
    """Hold a transaction open."""
    other = sqlite3.connect(db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def _protect(db: Path, _: Process) -> Callable[[], object]:
    """Make the files immutable: the only read-only that stops root, and that stops who has them open."""
    files = [str(db), f"{db}-wal"]
    if not _run("chattr", "+i", *files):
        pytest.skip("no file can be made immutable here")
    return lambda: subprocess.run(["chattr", "-i", *files], check=True)


def _remove(db: Path, _: Process) -> Callable[[], object]:
    """Move the file away, and back."""
    aside = db.with_name("aside.db")
    db.rename(aside)
    return lambda: aside.rename(db)


def _remove_folder(db: Path, _: Process) -> Callable[[], object]:
    """Move the folder away, and back."""
    aside = db.parent.with_name("aside")
    db.parent.rename(aside)
    return lambda: aside.rename(db.parent)


CAUSES: dict[str, tuple[Strike, str, str | None]] = {
    "disk full": (_fill, "the disk is full; make room on it", "the disk is full; make room on it"),
    "I/O error": (_limit, "the disk failed to read or write; the system's log may say why", None),
    "locked": (
        _lock,
        "locked by another process for more than 0.01 s; try again when it is done",
        "locked by another process for more than 0.01 s; try again when it is done",
    ),
    "read-only": (
        _protect,
        "the file or its folder is read-only; this needs leave to write to both",
        "the file or its folder is read-only; this needs leave to write to both",
    ),
    "removed": (_remove, "removed or moved while it was open; put it back", None),
    "folder removed": (
        _remove_folder,
        "removed or moved while it was open; put it back",
        "there is no folder {db.parent} to create it in",
    ),
}
"""How it strikes, what the worker says of it, and what a producer is told meanwhile, if it is told."""


@contextmanager
def _disk(folder: Path, cause: str) -> Iterator[Path]:
    """A folder for the database: for a full disk, one of a disk that can be filled."""
    folder.mkdir()
    if cause != "disk full":
        yield folder
        return
    with mounted(folder):
        yield folder


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A small disk at this folder."""
    if not _run("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)):
        pytest.skip("no small disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_live_worker_goes_on_when_the_cause_is_gone(tmp_path: Path, cause: str) -> None:
    """Struck with a job in hand it says so in one line; the same process then ends that job and the next."""
    strike, why, told = CAUSES[cause]
    with _disk(tmp_path / "disk", cause) as folder:
        db = folder / "queue.db"
        with closing(SQLiteStore(db, clock=SystemClock(), create=True)) as store:
            Queue(store=store).enqueue("a", key="a")
            Queue(store=store).enqueue("b", key="b")
        options = ("--db", str(db), "--busy-seconds", "0.01")
        work = ("work", "tests_handlers:key", "--poll-seconds", "0.01", "--name", "A")
        (tmp_path / "tests_handlers.py").write_text(KEY)
        with process(tmp_path, *options, *work) as running:
            assert running.error_line() == "worker A begins\n"
            assert running.line() == "begun a\n"
            recover = strike(db, running)
            try:
                running.tell("return")
                assert running.error_line() == f"worker A waits: {db}: {why}\n"
                if told is not None:
                    assert refused(*options, "enqueue", "3", "--key", "c") == (
                        f"error: {db}: {told.format(db=db)}"
                    )
            finally:
                recover()
            assert running.error_line() == "worker A goes on\n"
            assert running.line() == "begun b\n"
            running.tell("return")
            running.popen.send_signal(signal.SIGTERM)
            assert running.end() == (0, "", "")
        check(db, ("a", "b"))


KEY = '''
import sys


def key(job, context):
    """Say that the job began, and return when told to."""
    print("begun", job.key, flush=True)
    sys.stdin.readline()
    context.write(job.key)
'''


def test_a_live_worker_that_is_told_to_stop_stops(tmp_path: Path) -> None:
    """While it waits for the store with a job in hand: the second signal ends it, and the job is not lost."""
    db = tmp_path / "queue.db"
    with closing(SQLiteStore(db, clock=SystemClock(), create=True)) as store:
        Queue(store=store).enqueue(1)
        with process(tmp_path, "work", "handlers:obey", "--poll-seconds", "0.01", "--name", "A") as running:
            assert running.line() == "begun 1\n"
            db.rename(tmp_path / "aside.db")
            running.tell("return")
            assert running.error_line() == "worker A begins\n"
            assert running.error_line().startswith("worker A waits: queue.db: removed or moved")
            running.popen.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                running.popen.wait(0.2)
            running.popen.send_signal(signal.SIGTERM)
            assert running.end() == (0, "", "")
        (tmp_path / "aside.db").rename(db)
        assert store.counts().running == 1


def test_a_live_worker_leaves_another_file_alone(tmp_path: Path) -> None:
    """A queue that was put in the place of the one at work ends the worker: one line, exit code 2."""
    db = tmp_path / "queue.db"
    for name in ("other.db", "queue.db"):
        SQLiteStore(tmp_path / name, clock=SystemClock(), create=True).close()
    before = (tmp_path / "other.db").read_bytes()
    with process(tmp_path, "work", "handlers:echo", "--poll-seconds", "0.01", "--name", "A") as running:
        assert running.error_line() == "worker A begins\n"
        (tmp_path / "other.db").rename(db)
        assert running.end() == (
            2,
            "",
            "error: queue.db: another file has taken its place since it was opened; "
            "put the first one back, or start again with this one\n",
        )
    assert db.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file that is always full")
def test_a_worker_whose_log_is_on_a_full_disk_works(tmp_path: Path) -> None:
    """What it cannot say on stderr keeps it from nothing."""
    db = tmp_path / "queue.db"
    with closing(SQLiteStore(db, clock=SystemClock(), create=True)) as store:
        Queue(store=store).enqueue("a", key="a")
    (tmp_path / "keyed.py").write_text("def key(job, context):\n    context.write(job.key)\n")
    with Path("/dev/full").open("w") as full:
        subprocess.run(
            [sys.executable, "-m", "system", "--db", str(db), "work", "keyed:key", "--drain"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(PROJECT)},
            stderr=full,
            check=False,  # where Python cannot flush stderr at its end, it says so by an exit code
        )
    check(db, ("a",))
