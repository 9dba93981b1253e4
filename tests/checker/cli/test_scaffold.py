"""A new failure mode is laid out from the template, and fails until it is filled in."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from failure_modes.checker.cli.scaffold import NotLaidOut, lay_out

ROOT = Path(__file__).parents[3]


def test_the_folder_is_laid_out_under_its_number_and_name(tmp_path: Path) -> None:
    """Nothing of the template's own names is left, and the files are those that a failure mode has."""
    folder = lay_out("fm15", "lost_write", folder=tmp_path)
    assert folder.name == "FM_015_lost_write"
    files = sorted([path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()])
    assert [name for name in files if not name.startswith(("expected/", "traces/"))] == [
        "__init__.py",
        "scenario.py",
        "spec.md",
        "test_prevent_fm015.py",
        "test_repro_fm015.py",
    ]
    for path in folder.rglob("*.*"):
        assert "XXX" not in path.read_text(encoding="utf-8")
        assert "fmxxx" not in path.read_text(encoding="utf-8")
    assert "nox -s fm15\n" in (folder / "spec.md").read_text(encoding="utf-8")
    assert 'title="lost write"' in (folder / "scenario.py").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("number", "name", "told"),
    [
        ("FM_0", "lost_write", "'FM_0' is not the number of a failure mode; write it as FM_015, fm15 or 15"),
        ("fifteen", "lost_write", "'fifteen' is not the number of a failure mode"),
        ("FM_015", "Lost-Write", "'Lost-Write' cannot be a name; use small letters"),
        ("FM_015", "../up", "'../up' cannot be a name"),
        ("FM_1", "other", "FM_001 already exists: FM_001_duplicate_retry"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(number: str, name: str, told: str, tmp_path: Path) -> None:
    """The message says what would be right, and nothing is made."""
    (tmp_path / "FM_001_duplicate_retry").mkdir()
    with pytest.raises(NotLaidOut) as refused:
        lay_out(number, name, folder=tmp_path)
    assert str(refused.value).startswith(told)
    assert [path.name for path in tmp_path.iterdir()] == ["FM_001_duplicate_retry"]


def test_the_tests_of_a_new_failure_mode_fail_until_it_is_filled_in(tmp_path: Path) -> None:
    """Not one of them passes on the template's own text: there is neither a break nor a danger."""
    copy = tmp_path / "checkout"
    for part in ("failure_modes", "model", "system"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    made = _python(copy, "-m", "failure_modes", "new", "FM_099", "lost_write")
    assert made.returncode == 0, made.stderr
    assert "FM_099_lost_write" in made.stdout
    ran = _python(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "failure_modes/FM_099_lost_write")
    assert ran.returncode == 1, ran.stdout
    assert "passed" not in ran.stdout
    sought = _python(copy, "-m", "failure_modes", "find", "FM_099")
    assert (sought.returncode, sought.stdout) == (2, "")
    assert "does not change the queue; write the fault first" in sought.stderr
    refused = _python(copy, "-m", "failure_modes", "new", "FM_099", "again")
    assert (refused.returncode, refused.stderr) == (
        2,
        "error: FM_099 already exists: FM_099_lost_write\n",
    )


def _python(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=where, capture_output=True, text=True, check=False
    )
