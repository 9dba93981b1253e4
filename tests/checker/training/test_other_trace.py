"""The second round: another trace than in the first round, and nothing that tells the answer."""

from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.training import exercises as module
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.judging import Outcome
from failure_modes.checker.training.other_trace import other_trace


def _named() -> list[Any]:
    """Each exercise of the round. A trace on a server takes some seconds."""
    return [
        pytest.param(
            one,
            id=one.katas[0].id,
            marks=[pytest.mark.slow] * (one.katas[0].mode.scope.store is not StoreKind.SQLITE),
        )
        for one in exercises()
        if one.round is Round.NAME
    ]


@pytest.mark.parametrize("exercise", _named())
def test_the_trace_is_another_one_and_only_what_breaks_is_right(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is longer than the shortest trace, its file names no answer, and only what breaks in it is right."""
    one = exercise.katas[0]
    shown = other_trace(one)
    monkeypatch.setattr(module, "other_trace", lambda _: shown)  # it is the same each time: see below
    breaks = one.mode.each[-1].breaks
    assert len(shown.actions) > one.mode.each[-1].expected.shortest
    assert shown.finding.invariant == breaks

    text = exercise.text
    named = f"{exercise.file} {exercise.title} {exercise.id}"
    assert [word for word in (breaks, one.slot, one.mode.policy) if word in named] == []
    spoils = (one.id, one.mode.title, one.mode.folder.name, f"breaks {breaks}")
    assert [word for word in spoils if word in named + text] == []

    path = tmp_path / "trace.txt"
    for answer, outcome in (
        (breaks, Outcome.PROVED),
        (breaks.lower(), Outcome.PROVED),
        ("INV_008", Outcome.BROKEN),
        ("", Outcome.UNUSABLE),
        ("INV_099", Outcome.UNUSABLE),
    ):
        path.write_text(text.rstrip() + f" {answer}\n", encoding="utf-8")
        found = exercise.judged(path)
        assert found.outcome is outcome, answer
        is_right = outcome is Outcome.PROVED
        assert (one.id in found.text, found.failure_mode) == (is_right, one.id if is_right else None)


def test_the_trace_is_the_same_each_time() -> None:
    """The file that was written, and the judgement that is made later, are of one trace."""
    [one] = [one.katas[0] for one in exercises() if one.round is Round.NAME and one.katas[0].id == "FM_009"]
    assert other_trace(one) == other_trace(one)


def test_the_order_of_the_second_round_is_its_own() -> None:
    """The number of an exercise does not say which kata of the first round it belongs to."""
    mended, named = [
        [one.katas[0].id for one in exercises() if one.round is part] for part in (Round.MEND, Round.NAME)
    ]
    assert sorted(mended) == sorted(named)
    assert mended != named
