"""Removing a failure mode is removing its folder, and running `docs`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from failure_modes.checker.experiment.catalogue import catalogue
from tests.checker.commands import ROOT

TESTS = (
    "tests/test_documents.py::test_a_generated_document_is_fresh",
    "tests/test_documents.py::test_links_resolve",
    "tests/test_documents.py::test_a_failure_mode_that_is_named_has_its_link",
    "tests/test_documents.py::test_every_failure_mode_is_in_the_readme_or_the_index",
    "tests/test_documents.py::test_each_failure_mode_was_searched_with_ten_seeds",
    "tests/test_documents.py::test_the_session_of_each_failure_mode_was_measured",
    "tests/test_kept_traces.py",
    "tests/checker/campaigns/test_matrix.py",
    "tests/checker/campaigns/test_policy_search.py::test_what_takes_two_policies_is_told_from_what_takes_one",
    "tests/checker/training/test_course.py",
    "tests/checker/report/test_rendering.py::test_every_expected_text_is_printed_by_a_run",
    "tests/checker/cli/test_run.py::test_the_json_has_the_results_of_every_stage",
    "tests/checker/experiment/test_scenarios.py::test_a_fault_that_gives_back_an_equal_queue_is_none",
    "tests/test_structure.py::test_there_are_failure_modes",
    "tests/test_structure.py::test_a_failure_mode_is_complete",
)
"""What could still speak of a failure mode that is gone; all of it together takes some seconds."""

IN_EACH_RUN = ("_lost_job", "_overeager_recovery")
"""One whose policy others leave out, too; and one that documents speak of, and that breaks two things."""

IN_README = "FM_001"
"""The failure mode that README and tour walk through; another one is taken there before it is removed."""

REMOVED = [
    pytest.param(
        mode.folder.name,
        id=mode.id,
        marks=[] if mode.folder.name.endswith(IN_EACH_RUN) else [pytest.mark.slow],
    )
    for mode in catalogue()
    if mode.id != IN_README
]
"""Each of the others; all but two of them in `nox -s slow`."""


def _files() -> list[Path]:
    """What git keeps, or would keep."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _copy_without(removed: str, copy: Path) -> None:
    """Copy the checkout, and leave out the folder of that failure mode."""
    for path in _files():
        if removed not in path.parts:
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, copy / path)


def _python(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env=environment | {"PYTHONPATH": str(where)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.skipif(not (shutil.which("git") and (ROOT / ".git").exists()), reason="git says what to copy")
@pytest.mark.parametrize("removed", REMOVED)
def test_a_failure_mode_is_removed_with_its_folder(removed: str, tmp_path: Path) -> None:
    """The documents are written anew without it, nothing links to it, and nothing that is left needs it."""
    _copy_without(removed, tmp_path)
    stale = _python(tmp_path, "-m", "failure_modes", "docs", "--check")
    assert stale.returncode == 1, stale.stderr
    written = _python(tmp_path, "-m", "failure_modes", "docs")
    assert (written.returncode, "docs/failure_mode_index.md" in written.stdout) == (0, True), written.stderr
    listed = _python(tmp_path, "-m", "failure_modes", "list")
    assert (listed.returncode, removed[:6] in listed.stdout) == (0, False)
    assert "FM_" in listed.stdout
    ran = _python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert ran.returncode == 0, ran.stdout
    links = [path for path in tmp_path.rglob("*.md") if removed in path.read_text(encoding="utf-8")]
    assert links == []
