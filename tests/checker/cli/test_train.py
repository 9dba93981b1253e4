"""The command `train`: what it prints, its exit codes, and the watch of a file."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.support.patience import Patience
from failure_modes.checker.training.course import Course
from failure_modes.checker.training.exercises import Exercise, Round, exercises
from failure_modes.checker.training.kata import katas
from tests.checker.commands import ROOT, invoke, object_of

NO_ERROR = "Traceback"


def _first(folder: Path) -> tuple[Exercise, Path]:
    course = Course(folder)
    exercise = course.current()
    assert exercise is not None
    return exercise, course.path_of(exercise)


def _mended(path: Path) -> str:
    """The first kata, solved: a lease is as long as the queue asks for."""
    text = path.read_text(encoding="utf-8")
    mended = text.replace("tx.now + FOR_EVER_MS", "tx.now + lease_ms").replace("del lease_ms\n", "pass\n")
    assert mended != text
    return mended


def test_a_check_breaks_then_proves_and_opens_the_next(tmp_path: Path) -> None:
    """The broken file exits with 1 and a trace; the mended one with 0, and the next kata has its file."""
    broken = invoke("train", "check", str(tmp_path))
    assert (broken.exit_code, "shortest possible" in broken.stdout) == (1, True), broken.output
    _, path = _first(tmp_path)
    path.write_text(_mended(path), encoding="utf-8")
    solved = invoke("train", "check", str(tmp_path))
    assert solved.exit_code == 0, solved.output
    assert "proved: nothing breaks" in solved.stdout
    assert "1 of" in solved.stdout
    assert "next: " in solved.stdout
    assert len(list((tmp_path / "1_mend").iterdir())) == 2
    again = invoke("train", "check", str(tmp_path), "--kata", path.name)
    assert again.exit_code == 0


def test_code_that_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    """One line on standard error, exit code 2, and nothing on standard output."""
    _, path = _first(tmp_path)
    path.write_text("def x(:", encoding="utf-8")
    refused = invoke("train", "check", str(tmp_path))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert "line 1: invalid syntax" in refused.stderr


def test_the_json_of_each_action(tmp_path: Path) -> None:
    """A check, a hint and the list have one object each; the verdict says what was seen."""
    exercise, _ = _first(tmp_path)
    mode = exercise.katas[0].mode
    broken = object_of(invoke("train", "check", str(tmp_path), "--json"))
    [result] = broken["results"]
    assert (broken["verdict"], broken["exit"]) == ("broken", 1)
    assert (result["breaks"], result["length"]) == (mode.breaks, mode.expected.shortest)
    hint = object_of(invoke("train", "hint", str(tmp_path), "--json"))
    assert (hint["verdict"], hint["results"][0]["hint"]) == (None, 1)
    listed = object_of(invoke("train", "list", str(tmp_path), "--json"))
    assert [one["state"] for one in listed["results"]][:2] == ["open", "later"]
    _, path = _first(tmp_path)
    path.write_text("", encoding="utf-8")
    refused = object_of(invoke("train", "check", str(tmp_path), "--json"))
    assert (refused["verdict"], refused["exit"]) == ("refused", 2)


def test_three_hints_end_with_the_name_of_the_policy(tmp_path: Path) -> None:
    """From a question to the name; after the last hint the last is shown again."""
    exercise, _ = _first(tmp_path)
    said = [invoke("train", "hint", str(tmp_path)).stdout for _ in range(4)]
    assert [one.partition("\n")[0].rpartition("hint ")[2] for one in said] == [
        "1 of 3",
        "2 of 3",
        "3 of 3",
        "3 of 3",
    ]
    policy = exercise.katas[0].mode.policy
    assert [policy in one for one in said] == [False, False, True, True]


def test_the_list_says_nothing_of_an_answer(tmp_path: Path) -> None:
    """It names no failure mode and no policy of a later round, as text and as JSON."""
    listed = invoke("train", "list", str(tmp_path))
    lines = [line for line in listed.stdout.splitlines() if "2_name" in line or "3_write" in line]
    results = object_of(invoke("train", "list", str(tmp_path), "--json"))["results"]
    lines += [str(one) for one in results if not one["file"].startswith("1_mend")]
    assert len(lines) == 2 * sum(one.round is not Round.MEND for one in exercises())
    for one in katas():
        answers = (one.id, one.mode.title, one.mode.breaks, one.slot, one.mode.policy)
        assert [line for line in lines for answer in answers if answer in line] == []


def test_the_list_has_each_failure_mode_without_a_kata(tmp_path: Path) -> None:
    """Each failure mode has a kata, or the list says why it has none."""
    listed = invoke("train", "list", str(tmp_path)).stdout
    with_kata = [one.id for one in katas()]
    for mode in catalogue():
        if mode.id not in with_kata:
            [line] = [line for line in listed.splitlines() if line.startswith(f"  {mode.id} {mode.title}: ")]
            assert "policies at once" in line or "in no policy" in line


def test_bad_usage_is_refused(tmp_path: Path) -> None:
    """Two folders, an unknown kata, no time, and a damaged progress file: one line each, exit code 2."""
    for words in (
        (str(tmp_path), "b"),
        ("check", str(tmp_path), "--kata", "FM_999"),
        ("check", str(tmp_path), "--seconds", "0"),
        ("check", str(ROOT / "katas")),
    ):
        assert invoke("train", *words).exit_code == 2, words
    (tmp_path / "progress.json").write_text("{", encoding="utf-8")
    damaged = invoke("train", "list", str(tmp_path))
    assert damaged.exit_code == 2
    assert "progress.json: damaged" in damaged.stderr
    assert not (ROOT / "katas").exists()


def test_all_solved_says_so(tmp_path: Path) -> None:
    """At the end there is no kata left, and the exit code is 0."""
    course = Course(tmp_path)
    for exercise in course.exercises:
        course.solve(exercise)
    for action in ((), ("check",), ("hint",)):
        done = invoke("train", *action, str(tmp_path))
        assert (done.exit_code, "every kata that can be checked here is solved" in done.stdout) == (0, True)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`train`, watching a folder in the home of a learner."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "failure_modes", "train"],
        cwd=ROOT,
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        yield process
        process.kill()


def _read_to(process: "subprocess.Popen[str]", wanted: str) -> str:
    """The lines until one that holds the text."""
    assert process.stdout is not None
    lines, patience = [], Patience(60.0)
    for line in process.stdout:
        lines.append(line)
        if wanted in line or patience.is_over:
            break
    assert lines, wanted
    assert wanted in lines[-1], "".join(lines)
    return "".join(lines)


def test_each_save_is_checked_and_ctrl_c_keeps_the_progress(
    watching: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """The file is checked at first and at each save; a signal ends the watch with 130 and no traceback."""
    folder = tmp_path / "failure_modes_katas"
    assert "shortest possible" in _read_to(watching, "it is saved")
    _, path = _first(folder)
    mended = _mended(path)
    path.write_text("def x(:", encoding="utf-8")
    assert "line 1: invalid syntax" in _read_to(watching, "it is saved")
    path.write_text(mended, encoding="utf-8")
    assert "proved: " in _read_to(watching, "== ")
    _read_to(watching, "it is saved")
    watching.send_signal(signal.SIGINT)
    rest, _ = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "1 of" in rest
    assert NO_ERROR not in rest
    assert len(Course(folder).progress.solved) == 1
