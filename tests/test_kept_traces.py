"""The regression database, replayed: each kept trace on the broken system and on the guarded one."""

from pathlib import Path

import pytest

from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace, to_json

KEPT = all_kept()
EACH = pytest.mark.parametrize(("path", "trace"), KEPT, ids=[path.stem for path, _ in KEPT])


@EACH
def test_a_kept_trace_breaks_the_same_invariant_at_the_same_step(path: Path, trace: Trace) -> None:
    """The broken system fails as it did when the trace was kept."""
    replayed = replay(trace)
    assert replayed.as_expected, rendered(replayed)
    assert path.parent.parent.name.startswith(f"{trace.failure_mode}_")


@EACH
def test_a_kept_trace_holds_on_the_guarded_system(path: Path, trace: Trace) -> None:
    """The policy prevents what the trace did."""
    del path
    replayed = replay(trace, guarded=True)
    assert replayed.as_expected, rendered(replayed)


@EACH
def test_a_kept_trace_is_written_as_it_would_be_written_now(path: Path, trace: Trace) -> None:
    """The file is in the one form there is, so that a review shows only what changed."""
    assert path.read_text(encoding="utf-8") == to_json(trace)


def test_no_violation_is_kept_twice() -> None:
    """Each kept trace is a violation of its own."""
    traces = [trace for _, trace in KEPT]
    assert not [
        (one.why, other.why)
        for number, one in enumerate(traces)
        for other in traces[number + 1 :]
        if one.failure_mode == other.failure_mode and one.same_violation(other)
    ]


def test_every_failure_mode_keeps_a_trace() -> None:
    """There is something to replay for each failure mode of the catalogue."""
    assert {trace.failure_mode for _, trace in KEPT} == {mode.id for mode in catalogue()}
    assert len(KEPT) > len(catalogue())
