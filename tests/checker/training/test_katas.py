"""Each kata: the broken policy breaks by a shortest trace, right versions are proved, wrong ones break.

The versions are the classes of `kata_solutions.py`: `Reference` and `Another…` are right, each `Wrong…` is
wrong, and `Written` solves the third round. Every version is judged as a learner's file is, in this process.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.catalogue import FOLDER, catalogue
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.proof import remembered_system
from failure_modes.checker.training import found_trace
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.judging import Judgement, Outcome, judge
from failure_modes.checker.training.kata import (
    NO_PUBLIC_REPORT,
    BadKata,
    ModeKata,
    katas,
    modes_without_kata,
)
from failure_modes.checker.training.stand_in import policies_replaced

SLOW = {
    "FM_001": ("WrongNeverCloses",),
    "FM_002": ("Another", "WrongLooksOnce", "WrongClosesLater"),
    "FM_006": ("Written",),
    "FM_007": ("Another",),
    "FM_009": ("Written",),
    "FM_010": ("Another", "WrongClosesOnly"),
    "FM_012": ("Another", "Written", "WrongOneForAll"),
    "FM_013": ("Another", "AnotherEachAlone", "Written", "WrongNoNewLease", "WrongNeverBuries"),
}
"""The versions whose proof takes some seconds. `nox -s slow` judges them."""

SLOW_WITHOUT_WORK = ("FM_012", "FM_013")
"""The katas in which a version that does nothing takes a second."""


def _versions(one: ModeKata) -> list[str]:
    module = importlib.import_module(f"failure_modes.{one.mode.folder.name}.kata_solutions")
    found = [name for name, value in vars(module).items() if inspect.isclass(value)]
    return [name for name in found if vars(module)[name].__module__ == module.__name__ and name[0] != "_"]


def _is_slow(one: ModeKata, name: str) -> bool:
    return one.mode.scope.store is not StoreKind.SQLITE or name in SLOW.get(one.id, ())


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
    assert found.page is not None
    assert f"breaks {one.mode.breaks}" in found.page


@pytest.fixture
def _only_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is made, and few remembered steps are taken again: other tests hold both.

    The test of the broken policies makes the pages, and `test_step_memory.py` is about the steps.
    """
    monkeypatch.setattr(found_trace, "page_text", lambda *_, **__: "")
    monkeypatch.setattr(remembered_system, "CHECKED_FIRST", 16)


@pytest.mark.usefixtures("_only_judging")
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
    """Two right versions and three wrong ones; one right and two wrong ones are judged in each run."""
    names = _versions(one)
    fast = [name for name in names if name not in SLOW.get(one.id, ())]
    assert "Reference" in fast
    assert len([name for name in fast if name.startswith("Wrong")]) >= 2
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


def _code(exercise: Exercise, bases: str, body: str) -> str:
    """The file of an exercise with another class in it; `bases` and `body` are its text."""
    name = exercise.demand.name
    tree = ast.parse(exercise.text)
    tree.body = [one for one in tree.body if not isinstance(one, ast.ClassDef) or one.name != name]
    return f"{ast.unparse(tree)}\n\nclass {name}{bases}:\n    {body}\n"


def _methods(exercise: Exercise, body: str) -> str:
    """The methods to write, each with that body; `NAME` in it is the name of the method."""
    return "\n\n    ".join(
        [
            f"def {name}(self, *a, **b):\n        {body}".replace("NAME", name)
            for name in exercise.demand.methods
        ]
    )


def _with_code() -> list[Any]:
    found = [one for one in exercises() if one.round is not Round.NAME]
    return [pytest.param(one, id=f"{one.round.value}-{one.katas[0].id}") for one in found]


@pytest.mark.parametrize("exercise", _with_code())
def test_the_emptied_file_solves_nothing(exercise: Exercise, tmp_path: Path) -> None:
    """A class without methods is refused in one line, whatever it derives from; so is one that passes on."""
    right = exercise.demand.right.__name__
    path = tmp_path / Path(exercise.file).name
    assert exercise.demand.methods
    for text in (
        "",
        _code(exercise, "", "pass"),
        _code(exercise, f"({right})", "pass"),
        _code(exercise, f"({right})", _methods(exercise, "return super().NAME(*a, **b)")),
    ):
        path.write_text(text, encoding="utf-8")
        found = exercise.judged(path)
        assert found.outcome is Outcome.UNUSABLE, text
        assert "\n" not in found.text
        assert found.text.startswith(path.name)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(one, id=one.id, marks=[pytest.mark.slow] * (one.id in SLOW_WITHOUT_WORK))
        for one in katas()
        if one.mode.scope.store is StoreKind.SQLITE
    ],
)
def test_methods_that_do_nothing_solve_nothing(one: ModeKata, tmp_path: Path) -> None:
    """A method that only returns None breaks, or is refused in one line."""
    exercise = _exercise(one, "")
    path = tmp_path / Path(exercise.file).name
    right = exercise.demand.right.__name__
    path.write_text(_code(exercise, f"({right})", _methods(exercise, "return None")), encoding="utf-8")
    assert exercise.judged(path).outcome in (Outcome.BROKEN, Outcome.UNUSABLE)


def test_the_file_of_the_third_round_is_refused_as_it_begins(tmp_path: Path) -> None:
    """The methods to write raise NotImplementedError, and one line says so."""
    exercise = next(one for one in exercises() if one.round is Round.WRITE)
    path = tmp_path / Path(exercise.file).name
    path.write_text(exercise.text, encoding="utf-8")
    found = exercise.judged(path)
    assert found.outcome is Outcome.UNUSABLE
    assert "NotImplementedError: write this method" in found.text
    assert "\n" not in found.text


@pytest.mark.parametrize("one", katas(), ids=lambda one: one.id)
def test_each_kata_has_a_public_report_or_says_that_there_is_none(one: ModeKata) -> None:
    """One sentence with a year, and the address; the file has both."""
    text = " ".join(_exercise(one, "").text.split())
    assert f"In public: {one.kata.in_public}" in text
    if one.kata.address is None:
        assert one.kata.in_public == NO_PUBLIC_REPORT
        return
    assert one.kata.address.startswith("https://")
    assert f" {one.kata.address} " in text
    assert re.search(r"\b(19|20)\d\d\b", one.kata.in_public), "when"
    assert one.kata.in_public.endswith(".")
    assert ". " not in one.kata.in_public, "one sentence"


def test_a_kata_without_a_report_must_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence without an address is refused; the plain statement that there is no report is not."""
    one = katas()[0]
    module = importlib.import_module(f"failure_modes.{one.mode.folder.name}.kata")
    monkeypatch.setattr(module, "KATA", evolve(one.kata, address=None))
    with pytest.raises(BadKata, match="address"):
        katas()
    monkeypatch.setattr(module, "KATA", evolve(one.kata, address=None, in_public=NO_PUBLIC_REPORT))
    assert "In public: no public report is known to us.\n\nBelow" in exercises()[0].text


def test_each_failure_mode_has_a_kata_or_a_reason() -> None:
    """A failure mode whose fault replaces one policy needs a kata; each other one says why it has none."""
    reasons = modes_without_kata()
    assert sorted([*[one.id for one in katas()], *[name[:6] for name in reasons]]) == [
        mode.id for mode in catalogue()
    ]
    assert [name for name, reason in reasons.items() if "no kata.py" in reason] == []


def test_the_documentation_has_the_failure_modes_without_a_kata() -> None:
    """`docs/command_line.md` names each of them, and no other one."""
    text = (FOLDER.parent / "docs" / "command_line.md").read_text(encoding="utf-8")
    section = text.partition("## Katas")[2].partition("| command |")[0]
    assert re.findall(r"FM_\d{3}", section) == [name[:6] for name in modes_without_kata()]


@pytest.mark.parametrize("one", katas(), ids=lambda one: one.id)
def test_the_last_hint_has_a_path_that_is_there(one: ModeKata) -> None:
    """A learner works in another folder, so the path of the document is a whole one."""
    path = re.search(r"(/\S+03_policies\.md)", _exercise(one, "").hints[-1])
    assert path
    assert Path(path[1]).is_file()


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
