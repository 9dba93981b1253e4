"""The seams of files, of time and of chance."""

import datetime
import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep

import pytest

from failure_modes.checker.simulation.foreign import (
    EPOCH_SECONDS,
    ForeignContext,
    Task,
    Where,
)
from failure_modes.checker.simulation.foreign_process import ForeignProcess
from failure_modes.checker.simulation.seams.chance import ChanceSeam
from failure_modes.checker.simulation.seams.clock import ClockSeam
from failure_modes.checker.simulation.seams.files import FilesSeam
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.support.errors import SubjectError

GO = Task(name="go")


@pytest.fixture(autouse=True)
def _seam() -> Iterator[None]:
    with FilesSeam().installed():
        yield


def process_of(
    body: Callable[[], object], clock: VirtualClock | None = None, name: str = "A"
) -> ForeignProcess:
    """A process that runs the body for each task."""

    def program(context: ForeignContext) -> None:
        while True:
            context.next_task()
            body()

    return ForeignProcess(name, clock or VirtualClock(), program)


def labels_of(process: ForeignProcess) -> list[str | None]:
    """The boundaries of one task."""
    found: list[str | None] = []
    arrival = process.resume(task=GO)
    while arrival.where not in (Where.REST, Where.DEAD):
        found.append(arrival.label)
        arrival = process.resume()
    return found


def _save(folder: Path) -> None:
    with open(folder / "new", "w") as file:  # noqa: PTH123 (as a library does)
        file.write("text")
    os.replace(folder / "new", folder / "kept")  # noqa: PTH105


def test_what_others_can_see_has_a_boundary(tmp_path: Path) -> None:
    """To create the file, to flush it, and to rename it."""
    name = tmp_path.name
    process = process_of(lambda: _save(tmp_path))
    assert labels_of(process) == [f"WRITE {name}#1", f"FLUSH {name}#1", f"RENAME {name}#1"]
    assert (tmp_path / "kept").read_text() == "text"
    process.kill()


def test_the_buffer_of_a_dead_process_is_lost(tmp_path: Path) -> None:
    """Before the flush the file is empty, and stays so."""
    process = process_of(lambda: _save(tmp_path))
    process.resume(task=GO)
    assert process.resume().label == f"FLUSH {tmp_path.name}#1"
    process.kill()
    assert (tmp_path / "new").read_text() == ""
    assert not (tmp_path / "kept").exists()


def test_a_lock_of_flock_blocks_and_is_released_by_death(tmp_path: Path) -> None:
    """Two virtual processes exclude each other, as two real ones do."""

    def lock() -> None:
        descriptor = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.listdir(tmp_path)  # noqa: PTH208
        os.close(descriptor)

    first, second = process_of(lock), process_of(lock, name="B")
    first.resume(task=GO)
    first.resume()
    assert first.resume().label == f"LIST {tmp_path.parent.name}#1"
    second.resume(task=GO)
    second.resume()
    assert second.resume().where is Where.BLOCKED
    first.kill()
    assert second.resume().where is Where.BOUNDARY
    second.kill()


def test_lockf_is_refused(tmp_path: Path) -> None:
    """Its locks would not exclude two virtual processes: a wrong result is worse than none."""

    def lock() -> None:
        fcntl.lockf(os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)

    process = process_of(lock)
    process.resume(task=GO)
    with pytest.raises(SubjectError, match="lockf"):
        process.resume()


def test_a_process_reads_the_time_of_its_run() -> None:
    """Each kind of time follows the clock of the run; a sleep lets it go on, also one that was imported."""
    clock, seen = VirtualClock(), []

    def body() -> None:
        seen.append(
            (
                time.time(),
                time.time_ns() // 10**9,
                time.monotonic(),
                datetime.datetime.now(datetime.UTC).timestamp(),
            )
        )
        sleep(2)

    seam = ClockSeam(lambda: EPOCH_SECONDS + clock.now() / 1000)
    outside = time.monotonic
    with seam.installed():
        process = process_of(body, clock)
        arrival = process.resume(task=GO)
        assert (arrival.label, arrival.slept_ms) == ("SLEEP#1", 2_000)
        clock.advance(arrival.slept_ms)
        seam.moved()
        process.resume()
        process.resume(task=GO)
        process.kill()
        assert time.monotonic() < EPOCH_SECONDS  # the checker measures real time
    assert seen == [(EPOCH_SECONDS,) * 4, (EPOCH_SECONDS + 2,) * 4]
    assert time.monotonic is outside


def test_chance_is_the_same_in_each_run_and_differs_between_processes() -> None:
    """Ids that a library draws are reproducible, and two processes never draw the same."""

    def drawn() -> list[str]:
        found: list[str] = []
        with ChanceSeam().installed():
            for name in ("A", "B"):
                process = process_of(lambda: found.append(str(uuid.uuid4())), name=name)
                process.resume(task=GO)
                process.resume(task=GO)
                process.kill()
        return found

    assert drawn() == drawn()
    assert len(set(drawn())) == 4
