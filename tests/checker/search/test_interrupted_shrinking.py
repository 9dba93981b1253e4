"""A search says how far it has shortened a finding. If it is stopped, it gives the shortest trace so far."""

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.report import progress as report
from failure_modes.checker.report.progress import shown
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.search import run
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Breaks, Trace

MODE = failure_mode("FM_001")
SEARCH = evolve(search_of(MODE, 0, broken=True), bounds=None)


def test_an_interrupt_gives_the_shortest_trace_so_far() -> None:
    """Its trace is shorter than that which was found, and breaks the same when it is replayed."""
    lengths: list[int] = []

    def interrupt_once_it_is_shorter(statistics: SearchStatistics) -> None:
        if statistics.shortest is not None:
            lengths.append(len(statistics.shortest.actions))
            if lengths[-1] < lengths[0]:
                raise KeyboardInterrupt

    result = run(SEARCH, interrupt_once_it_is_shorter)
    assert result.statistics.interrupted
    assert len(result.actions) == lengths[-1] < lengths[0]
    assert result.finding is not None
    trace = Trace(
        failure_mode=MODE.id,
        scope=MODE.scope,
        breaks=Breaks(invariant="INV_001", step=result.finding.step),
        why="",
        actions=result.actions,
    )
    assert replay(trace).as_expected


def test_a_log_says_how_far_the_shrinking_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a pipe progress is lines: each run of the shrinking may print one, with the length so far."""
    monkeypatch.setattr(report, "PLAIN_EVERY_SECONDS", 0.0)
    with shown("searching", SEARCH.examples) as progress:
        result = run(SEARCH, progress)
    lines = [line for line in capsys.readouterr().err.splitlines() if "found a break, shrinking: " in line]
    lengths = [int(line.rpartition("shrinking: ")[2].split()[0]) for line in lines]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1] >= len(result.actions)
