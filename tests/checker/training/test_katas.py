"""Each kata: the broken policy breaks by a shortest trace, right versions are proved, wrong ones break.

The versions are the classes of `kata_solutions.py`: `Reference` and `Another` are right, each `Wrong…` is
wrong, and `Written` solves the third round. Every version is judged as a learner's file is, in this process.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.judging import Judgement, Outcome, judge
from failure_modes.checker.training.kata import ModeKata, katas
from failure_modes.checker.training.stand_in import policies_replaced

SLOW = {
    "FM_001": ("Another", "WrongNeverCloses", "WrongRefusesAll"),
    "FM_002": ("Reference", "Another", "WrongLooksOnce", "WrongClosesLater"),
    "FM_004": ("Another",),
    "FM_005": ("Another", "WrongSecondTime", "WrongTooEarly"),
    "FM_006": ("Another",),
    "FM_007": ("Reference", "Another", "WrongAlwaysCloses", "WrongClosesBefore"),
    "FM_009": ("Reference", "Another", "Written"),
    "FM_010": ("Reference", "Another", "WrongClosesOnly", "WrongSameWorker"),
    "FM_011": ("Another",),
    "FM_012": ("Reference", "Another", "Written", "WrongOneForAll", "WrongWorker"),
    "FM_013": ("Reference", "Another", "Written", "WrongNoNewLease", "WrongNeverBuries"),
    "FM_014": ("Another", "WrongOpen"),
}
"""The versions whose proof takes about a second or more. `nox -s slow` judges them."""


def _versions(one: ModeKata) -> list[str]:
    module = importlib.import_module(f"failure_modes.{one.mode.folder.name}.kata_solutions")
    found = [name for name, value in vars(module).items() if inspect.isclass(value)]
    return [name for name in found if vars(module)[name].__module__ == module.__name__ and name[0] != "_"]


def _is_slow(one: ModeKata, name: str) -> bool:
    on_server = one.mode.scope.store is not StoreKind.SQLITE
    return (
        on_server or name in SLOW.get(one.id, ()) or (name == "Written" and one.slot in ("commit", "lease"))
    )


def _cases() -> list[Any]:
    return [
        pytest.param(one, name, id=f"{one.id}-{name}", marks=[pytest.mark.slow] * _is_slow(one, name))
        for one in katas()
        for name in _versions(one)
    ]


def _each_kata() -> list[Any]:
    on_server = {one.id for one in katas() if one.mode.scope.store is not StoreKind.SQLITE}
    return [pytest.param(one, id=one.id, marks=[pytest.mark.slow] * (one.id in on_server)) for one in katas()]


def _exercise(one: ModeKata, name: str) -> Exercise:
    """The exercise that a version is for."""
    wanted = Round.WRITE if name == "Written" else Round.MEND
    [found] = [exercise for exercise in exercises() if exercise.round is wanted and one in exercise.katas]
    return found


def _judged(one: ModeKata, name: str) -> Judgement:
    exercise = _exercise(one, name)
    scopes = exercise.katas
    if one.mode.scope.store is StoreKind.SQLITE:  # a version for SQLite is judged where there is no server
        scopes = tuple([other for other in scopes if other.mode.scope.store is StoreKind.SQLITE])
    return judge(
        one.mode.folder / "kata_solutions.py",
        evolve(exercise.demand, name=name, queue=None, facts={}),
        scopes,
    )


@pytest.mark.parametrize("one", _each_kata())
def test_the_broken_policy_fails_with_the_proved_shortest_trace(one: ModeKata, tmp_path: Path) -> None:
    """The file as the learner gets it breaks the invariant of the failure mode, by a trace of its length."""
    exercise = _exercise(one, "")
    path = tmp_path / Path(exercise.file).name
    path.write_text(exercise.text, encoding="utf-8")
    found = exercise.judged(path)
    assert (found.outcome, found.breaks, found.length) == (
        Outcome.BROKEN,
        one.mode.breaks,
        one.mode.expected.shortest,
    )
    assert "shortest possible" in found.text


@pytest.mark.parametrize(("one", "name"), _cases())
def test_a_version_is_judged_as_it_is(one: ModeKata, name: str) -> None:
    """A right version is proved, whatever it looks like; a wrong one gets a trace of its own."""
    found = _judged(one, name)
    if name.startswith("Wrong"):
        assert found.outcome is Outcome.BROKEN, found.text
        assert found.actions
        assert re.search("^ *step +time +action ", found.text, re.MULTILINE)
    else:
        assert found.outcome is Outcome.PROVED, found.text
        assert found.states >= one.mode.expected.states


def test_each_failure_mode_that_breaks_one_policy_has_a_kata() -> None:
    """The fault of a kata replaces one policy, and each fault that replaces one policy has a kata."""
    wanted = [mode.id for mode in catalogue() if len(policies_replaced(mode)) == 1]
    assert sorted([one.id for one in katas()]) == wanted
    assert len(wanted) > 1


@pytest.mark.parametrize("one", katas(), ids=lambda one: one.id)
def test_each_kata_has_enough_versions(one: ModeKata) -> None:
    """Two right versions, and three wrong ones or more."""
    names = _versions(one)
    assert {"Reference", "Another"} <= set(names)
    assert len([name for name in names if name.startswith("Wrong")]) >= 3


def test_each_policy_to_write_has_a_version_that_was_written() -> None:
    """Each exercise of the third round is solved by a version of one of its katas."""
    for exercise in exercises():
        if exercise.round is Round.WRITE:
            assert "Written" in [name for one in exercise.katas for name in _versions(one)], exercise.id


def test_the_katas_have_an_order_of_their_own() -> None:
    """No two katas have the same place."""
    orders = [one.kata.order for one in katas()]
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize("one", katas(), ids=lambda one: one.id)
def test_a_file_does_not_hold_its_solution(one: ModeKata) -> None:
    """The file has no docstring or comment of the fault, and not one hint."""
    exercise = _exercise(one, "")
    text = " ".join(exercise.text.split())
    fault = inspect.getsource(importlib.import_module(f"failure_modes.{one.mode.folder.name}.scenario"))
    broken = next(line for line in fault.splitlines() if line.startswith("class "))
    assert broken.split("(")[0] not in text or "Clock" in broken, "the name of the fault says what is wrong"
    for hint in exercise.hints:
        assert " ".join(hint.split()) not in text
    assert one.kata.requirement not in text
