"""The halves of a replay: what would be lost if a replay left something out."""

import pytest

from failure_modes.checker.traces import replay as replaying
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from tests.checker.oracle.halves_of_endings import ENDINGS


def test_a_guarded_replay_has_its_liveness_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that breaks at the end alone is found by a guarded replay; without the end it is not."""
    _, trace = all_kept()[0]
    restless = next(half.fault for half in ENDINGS if half.oracle == "liveness")
    assert not replay(trace, guarded=True, control=restless).as_expected
    monkeypatch.setattr(replaying, "needs_ending", lambda _: False)
    assert replay(trace, guarded=True, control=restless).as_expected
