"""The learner's folder: what is written into it, what opens when, and what is refused."""

import json
from pathlib import Path

import pytest

from failure_modes.checker.experiment.catalogue import FOLDER
from failure_modes.checker.training import progress
from failure_modes.checker.training.course import Course, NoExercise, NoFolder
from failure_modes.checker.training.exercises import Round, exercises
from failure_modes.checker.training.progress import BadProgress, Progress


def _files(folder: Path) -> list[str]:
    return sorted([path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()])


def test_only_the_open_exercise_has_a_file(tmp_path: Path) -> None:
    """A file is written when its exercise opens; the next one opens when this one is solved."""
    course = Course(tmp_path / "mine")
    first = course.current()
    assert first is not None
    course.path_of(first)
    assert _files(course.folder) == sorted(["how_to.md", "progress.json", first.file])
    course.solve(first)
    second = course.current()
    assert second is not None
    assert second.id != first.id
    assert not (course.folder / second.file).exists()


def test_the_progress_is_there_the_next_time(tmp_path: Path) -> None:
    """A course goes on where the last command stopped; the hints do, too."""
    course = Course(tmp_path)
    first = course.current()
    assert first is not None
    numbers = [course.hint(first)[0] for _ in range(2)]
    course.solve(first)
    again = Course(tmp_path)
    assert again.is_solved(first)
    assert numbers == [1, 2]
    assert [again.hint(first)[0] for _ in range(2)] == [3, 3]


def test_a_file_of_the_learner_is_never_written_over(tmp_path: Path) -> None:
    """Only a file that is missing is written; so a learner who deletes it gets it as it was."""
    course = Course(tmp_path)
    first = course.current()
    assert first is not None
    path = course.path_of(first)
    path.write_text("mine", encoding="utf-8")
    assert course.path_of(first).read_text(encoding="utf-8") == "mine"
    path.unlink()
    assert course.path_of(first).read_text(encoding="utf-8") == first.text


def test_a_solved_exercise_can_be_named_and_a_later_one_cannot(tmp_path: Path) -> None:
    """Nothing of a later exercise is shown before it opens."""
    course = Course(tmp_path)
    first = course.current()
    assert first is not None
    course.solve(first)
    assert course.named(first.katas[0].id).id == first.id
    assert course.named(first.file).id == first.id
    with pytest.raises(NoExercise, match="open are"):
        course.named(exercises()[-1].file)


def test_a_folder_that_is_not_the_learners_is_refused(tmp_path: Path) -> None:
    """The checkout, a file, and a folder with other files are not touched."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder, why in ((FOLDER / "katas", "folder of the project"), (tmp_path / "file", "not a folder")):
        with pytest.raises(NoFolder, match=why):
            Course(folder)
    with pytest.raises(NoFolder, match="other files"):
        Course(tmp_path)
    assert _files(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": 9, "solved": [], "hints": {}}',
        '{"format": 1, "solved": 3, "hints": {}}',
        '{"format": 1, "solved": [], "hints": {"a": "b"}}',
        '{"format": 1, "solved": []}',
    ],
)
def test_a_damaged_progress_file_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    """The message names the file, and what to do; nothing is written over it."""
    path = tmp_path / progress.FILE
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadProgress, match=r"progress\.json: damaged: .*; mend it, or remove it"):
        Course(tmp_path)
    assert path.read_text(encoding="utf-8") == text


def test_the_progress_is_written_as_it_is_read(tmp_path: Path) -> None:
    """A progress survives its file."""
    before = Progress().solving("a").solving("b").solving("a").hinting("c", 2)
    progress.save(tmp_path, before)
    assert progress.load(tmp_path) == before == Progress(solved=("b", "a"), hints={"c": 2})
    assert json.loads((tmp_path / progress.FILE).read_text(encoding="utf-8"))["format"] == 1


def test_each_exercise_has_a_page_of_its_own(tmp_path: Path) -> None:
    """The files of two rounds have the same names; their pages do not."""
    course = Course(tmp_path)
    pages = [course.page_of(one) for one in course.exercises]
    assert len(set(pages)) == len(pages)


def test_the_rounds_follow_one_another() -> None:
    """All policies are mended before a trace is named; all traces are named before a policy is written."""
    rounds = [one.round for one in exercises()]
    assert rounds == sorted(rounds)
    assert set(rounds) == set(Round)
    ids = [one.id for one in exercises()]
    assert len(set(ids)) == len(ids)
    assert {len(one.hints) for one in exercises()} == {3}
