"""Temporary folders: a folder is removed after its owner, even a killed one; no other folder is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from failure_modes.checker.support import temporary
from failure_modes.checker.support.temporary import MARK, create, keep_for_user, own, remove, sweep
from tests.checker.commands import ROOT, run
from tests.checker.processes import eventually, needs_proc, started

PLACES = temporary.places()

OWNER = """
import signal, sys
from pathlib import Path
from failure_modes.checker.support.temporary import create

folder = create(Path(sys.argv[1]))
(folder / "run-1.db").write_text("rows")
(folder / "data" / "deeper").mkdir(parents=True)
(folder / "data" / "deeper" / "file").write_text("rows")
print(folder, flush=True)
signal.pause() if sys.argv[2] == "stays" else None
"""
"""A process that has a folder, and then waits or ends."""


@pytest.fixture(autouse=True)
def _here_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a sweep look into one folder only, not into those of this machine."""
    monkeypatch.setattr(temporary, "places", lambda: [tmp_path])


@pytest.fixture
def owner(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A running process that has a folder."""
    command = [sys.executable, "-c", OWNER, str(tmp_path), "stays"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as process:
        yield process
        process.kill()


def _folder_of(owner: "subprocess.Popen[str]") -> Path:
    assert owner.stdout is not None
    return Path(owner.stdout.readline().rstrip("\n"))


def test_the_folder_of_a_killed_owner_goes_and_that_of_a_living_one_stays(
    owner: "subprocess.Popen[str]",
) -> None:
    """A sweep removes the folder of a killed owner with its content, and not that of a running one."""
    folder = _folder_of(owner)
    sweep()
    assert (folder / "data" / "deeper" / "file").read_text() == "rows"
    owner.kill()
    owner.wait()
    assert folder.exists()
    sweep()
    assert not folder.exists()


def test_an_owner_that_ends_removes_its_folder(tmp_path: Path) -> None:
    """An owner that ends removes its folder without a sweep."""
    command = [sys.executable, "-c", OWNER, str(tmp_path), "ends"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (ended.returncode, ended.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_a_sweep_keeps_the_folder_of_its_own_process(tmp_path: Path) -> None:
    """A sweep of the owner does not remove its own folder."""
    folder = create(tmp_path)
    sweep()
    assert (folder / MARK).exists()
    remove(folder)
    assert list(tmp_path.iterdir()) == []
    remove(folder)


def test_a_folder_that_is_left_to_the_user_stays(tmp_path: Path) -> None:
    """A folder that is left to the user has no mark, and no process removes it."""
    script = """
import sys
from pathlib import Path
from failure_modes.checker.support.temporary import create, keep_for_user

folder = create(Path(sys.argv[1]))
(folder / "history").write_text("rows")
keep_for_user(folder)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=True)
    sweep()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["history"]
    folder = create(tmp_path)
    keep_for_user(folder)
    remove(folder)
    assert folder.exists()


def _left(tmp_path: Path) -> Path:
    """A folder whose owner has ended."""
    subprocess.run(
        [sys.executable, "-c", OWNER + "\nimport os\nos._exit(0)", str(tmp_path), "ends"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (folder,) = tmp_path.glob("queue-*")
    return folder


def _without_a_mark(folder: Path) -> None:
    (folder / MARK).unlink()


def _with_another_mark(folder: Path) -> None:
    (folder / MARK).write_text("not ours")


def _with_a_longer_mark(folder: Path) -> None:
    with (folder / MARK).open("a") as mark:
        mark.write("and more")


def _with_a_folder_for_a_mark(folder: Path) -> None:
    (folder / MARK).unlink()
    (folder / MARK).mkdir()


def _with_a_linked_mark(folder: Path) -> None:
    other = folder.parent / "mark"
    (folder / MARK).rename(other)
    (folder / MARK).symlink_to(other)


def _with_a_mark_of_two_names(folder: Path) -> None:
    (folder.parent / "mark").hardlink_to(folder / MARK)


def _with_a_pipe_for_a_mark(folder: Path) -> None:
    (folder / MARK).unlink()
    os.mkfifo(folder / MARK)


def _under_another_name(folder: Path) -> None:
    folder.rename(folder.parent / "another")


def _linked(folder: Path) -> None:
    folder.rename(folder.parent / "another")
    folder.symlink_to(folder.parent / "another")


FOREIGN = (
    _without_a_mark,
    _with_another_mark,
    _with_a_longer_mark,
    _with_a_folder_for_a_mark,
    _with_a_linked_mark,
    _with_a_mark_of_two_names,
    _with_a_pipe_for_a_mark,
    _under_another_name,
    _linked,
)


@pytest.mark.parametrize("made", FOREIGN, ids=lambda made: made.__name__.strip("_"))
def test_a_folder_that_is_not_ours_stays(made: object, tmp_path: Path) -> None:
    """A sweep does not remove a folder that only looks like one of ours."""
    folder = _left(tmp_path)
    assert callable(made)
    made(folder)
    before = sorted(tmp_path.rglob("*"))
    sweep()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep does not remove the folder of another user, even if it could."""
    folder = _left(tmp_path)
    with monkeypatch.context() as other:
        other.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
        sweep()
    assert (folder / "run-1.db").exists()
    sweep()
    assert not folder.exists()


def test_the_folder_that_root_gave_to_the_user_of_a_server_goes(tmp_path: Path) -> None:
    """A sweep of root removes a folder that root gave to the user of a server."""
    if os.geteuid() != 0:
        pytest.skip("only root gives a folder away")
    folder = _left(tmp_path)
    os.chown(folder, 65534, 65534)
    sweep()
    assert not folder.exists()


SWEEPERS = """
import sys
from pathlib import Path
from failure_modes.checker.support import temporary
from failure_modes.checker.support.temporary import create, remove, sweep

temporary.places = lambda: [Path(sys.argv[1])]
for _ in range(100):
    folder = create(Path(sys.argv[1]))
    (folder / "mine").write_text("rows")
    sweep()
    assert (folder / "mine").read_text() == "rows"
    remove(folder)
    assert not folder.exists()
"""


def test_processes_that_start_and_sweep_at_once_do_no_harm(tmp_path: Path) -> None:
    """Processes that start and sweep at once keep their own folders, and remove the abandoned ones."""
    for number in range(5):
        _left(tmp_path).rename(tmp_path / f"left-{number}")
    for number in range(5):
        (tmp_path / f"left-{number}").rename(tmp_path / f"queue-left-{number}")
    command = [sys.executable, "-c", SWEEPERS, str(tmp_path)]
    sweepers = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(one.communicate()[1], one.returncode) for one in sweepers] == [(b"", 0)] * 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_stays_keeps_its_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be removed keeps its mark, so the next sweep tries again."""
    folder = _left(tmp_path)
    with monkeypatch.context() as stuck:
        stuck.setattr(shutil, "rmtree", lambda *_, **__: None)
        sweep()
    assert sorted(path.name for path in folder.iterdir()) == [MARK, "data"]
    sweep()
    assert not folder.exists()


def test_a_folder_without_room_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk raises an error when the mark is written, and no folder is left."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        create(tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_proc
def test_a_command_sweeps_the_folder_of_a_killed_one(tmp_path: Path) -> None:
    """A command removes the folder of a killed chaos run."""
    with started("-m", "failure_modes", "chaos", "--minutes", "9", TMPDIR=str(tmp_path)) as chaos:
        eventually(lambda: chaos.at_work() >= 6)
        chaos.popen.kill()
        eventually(lambda: not chaos.all())
    assert list(tmp_path.glob("queue-chaos-*/queue.db"))
    assert run("list", TMPDIR=str(tmp_path)).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_this_process_is_one_that_a_sweep_finds() -> None:
    """The folder of this process is where a sweep searches, and its path is short enough for a socket."""
    assert own().parent in PLACES
    assert len(str(own())) < 70
    assert (own() / MARK).exists()
