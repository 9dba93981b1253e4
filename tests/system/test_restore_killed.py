"""A restore that is ended by a signal, at whichever moment."""

import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from system.clock import ManualClock
from system.sqlite import SQLiteStore
from system.sqlite.backup import restore
from tests.system.backups import OLD, backup_and_log, damage, keys, put_back
from tests.system.outages import error_of
from tests.system.struck import struck

__all__ = ["backup_and_log"]

STATES: dict[str, Callable[[Path], object]] = {
    "whole": Path.stat,
    "damaged": damage,
    "missing": Path.unlink,
}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
@pytest.mark.parametrize("state", STATES)
def test_a_restore_that_is_ended_leaves_the_old_queue_or_the_new(
    path: Path, backup_and_log: Path, state: str, how: signal.Signals
) -> None:
    """Whenever it is struck: the queue is the old one, or the backup's, or refused until it is run again.

    Nobody ever works on one with the log of the other. What was there is kept, and SIGTERM leaves no more.
    """
    STATES[state](path)
    saved = path.parent.with_name(f"{path.parent.name}-saved")
    shutil.copytree(path.parent, saved)
    whole = [*OLD, *[f"new-{number}" for number in range(200)]]
    ends: dict[str, int] = {"old": 0, "new": 0, "refused": 0}
    try:
        with struck(path.parent, how, "--db", path.name, "restore", backup_and_log.name) as strike:
            for number in range(1, 1000):
                code, seen = strike(number)
                found = found_in(path, state, whole)
                ends[found] += 1
                if how != signal.SIGKILL:
                    assert found != "refused"
                    assert not list(path.parent.glob("unfinished-*"))
                if code == 0:
                    break
                if found != "new":
                    assert restore(path, backup_and_log).jobs == 2
                    assert keys(path) == OLD
                if state != "missing":
                    assert kept_somewhere(path, saved, state, whole)
                put_back(saved, path.parent)
            assert (code, seen) == (0, number - 1)
    finally:
        shutil.rmtree(saved)
    assert keys(path) == OLD
    assert ends["old"] > 15
    assert ends["new"] > 0
    assert (ends["refused"] > 1) == ((state, how) == ("damaged", signal.SIGKILL))


def found_in(path: Path, state: str, whole: list[str]) -> str:
    """Whether it is the old queue or the new one, for who opens it now. Looks at a copy of it."""
    if path.exists() and path.stat().st_nlink > 1:
        error = error_of(lambda: SQLiteStore(path, clock=ManualClock()))
        assert str(error) == f"{path}: a restore was ended before it was done; run `restore BACKUP` again"
        return "refused"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(path.parent, folder, dirs_exist_ok=True), path.name)
        error = error_of(lambda: SQLiteStore(copy, clock=ManualClock()).close())
        if error is not None:
            assert state == "missing"
            assert ("no such file" in str(error)) or ("the file is missing, but its log" in str(error))
            return "old"
        if state == "damaged":
            with closing(SQLiteStore(copy, clock=ManualClock())) as store:
                if error_of(store.jobs) is not None:
                    return "old"
        found = keys(copy)
    assert found in (OLD, whole)
    return "new" if found == OLD else "old"


def kept_somewhere(path: Path, saved: Path, state: str, whole: list[str]) -> bool:
    """Whether the old queue is in a file beside the new one."""
    if state == "whole":
        return any(keys(file) == whole for file in path.parent.glob("queue.db.replaced-*"))
    old = (saved / path.name).read_bytes()
    return any(file.read_bytes() == old for file in path.parent.glob("queue.db.damaged-*"))
