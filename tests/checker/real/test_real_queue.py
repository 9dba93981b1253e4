"""Real processes for any queue: they show what the simulation shows, and no more."""

from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.experiment.catalogue import FOLDER
from failure_modes.checker.experiment.moves import Housekeep, Moves, Work
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.oracle.queue_run import QueueRun, play
from failure_modes.checker.real.real_queue import confirm, real_world
from failure_modes.checker.simulation.foreign import Arrival, Where
from failure_modes.checker.subject.adapter import Adapter, AdapterSource, source_of, version_of
from failure_modes.checker.traces.queue_trace import QueueTrace, load_trace
from model.actions import Crash, Enqueue, Tick

FAULTY, RIGHT = source_of("tests.subjects.tables:FAULTY"), source_of("tests.subjects.tables:RIGHT")
TWICE: Moves = (Enqueue(key="job-1"), Work(worker="A", until="UPDATE job#1"), Work(worker="B"))
RECOVERED: Moves = (
    Enqueue(key="job-1"),
    Work(worker="A", until="HANDLE#1"),
    Crash(worker="A"),
    Tick(seconds=61),
    Housekeep(),
    Work(worker="B"),
)
KEPT = sorted((FOLDER / "judged").glob("*/traces/*.json"))


def test_real_processes_show_the_same_trouble() -> None:
    """The faulty table runs a job twice with real processes, too; the right one does not."""
    virtual, real = play(FAULTY.load(), TWICE), confirm(FAULTY, TWICE, None)
    assert virtual is not None
    assert real is not None
    assert real.trouble == virtual.trouble
    assert confirm(RIGHT, TWICE, None) is None


def test_a_killed_process_is_replaced_and_its_job_recovered() -> None:
    """After SIGKILL in a job, a lease and housekeeping, the other worker runs it."""
    assert confirm(RIGHT, RECOVERED, None) is None


def test_both_worlds_reach_the_same_boundaries() -> None:
    """Move by move, each process is at the same place."""
    moves = (Enqueue(key="job-1"), Work(worker="A", until="UPDATE job#2"), *RECOVERED[3:], Work(worker="A"))
    places: list[list[list[Arrival]]] = []
    for run in (QueueRun(RIGHT.load()), QueueRun(RIGHT.load(), make_world=real_world(RIGHT))):
        places.append([])
        for move in moves:
            run.apply(move)
            places[-1].append([run.at(name) for name in ("A", "B")])
        run.close()
    assert places[0] == places[1]
    assert places[0][1][0].where is Where.BOUNDARY


def test_traces_are_kept() -> None:
    """The next test is about something."""
    assert KEPT


def _named(path: Path) -> str:
    return f"{path.parts[-3]} {path.stem}"


def _one_of_each_queue() -> list[Any]:
    """The traces: all but the first one of each queue are slow."""
    first = {path.parts[-3]: path for path in reversed(KEPT)}
    slow = [path for path in KEPT if path != first[path.parts[-3]]]
    marked = [pytest.param(path, id=_named(path), marks=pytest.mark.slow) for path in slow]
    return [*[pytest.param(path, id=_named(path)) for path in first.values()], *marked]


def _loaded(path: Path) -> tuple[QueueTrace, AdapterSource, Adapter]:
    trace = load_trace(path)
    source = source_of(trace.adapter)
    adapter = source.load()
    if version_of(adapter) != trace.version:
        pytest.skip(f"{trace.queue} {version_of(adapter)} is installed, not {trace.version}")
    return trace, source, adapter


@pytest.mark.parametrize("path", KEPT, ids=_named)
def test_a_kept_trace_replays_virtually(path: Path) -> None:
    """It shows its trouble with the version that is installed, if that is the version it was found with."""
    trace, _, adapter = _loaded(path)
    found = play(adapter, trace.moves, target=Hunt(kind=trace.kind, topic=trace.topic))
    assert found is not None
    assert found.trouble.text == trace.text
    assert trace.confirmed is not None


@pytest.mark.parametrize("path", _one_of_each_queue())
def test_a_kept_trace_replays_with_real_processes(path: Path) -> None:
    """They show the same trouble."""
    trace, source, _ = _loaded(path)
    found = confirm(source, trace.moves, Hunt(kind=trace.kind, topic=trace.topic))
    assert found is not None
    assert found.trouble.text == trace.text
