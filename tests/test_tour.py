"""The tour: each of its commands works, in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
FOLDERS = ("docs", "failure_modes", "model", "system")
MADE = shutil.ignore_patterns(".*", "__pycache__")


@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands of the tour are for bash")
def test_every_command_of_the_tour_works(tmp_path: Path) -> None:
    """Typed in their order they succeed, print what the text says, and leave the project as it was."""
    copy, programs = tmp_path / "checkout", tmp_path / "programs"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=MADE)
    for name in ("pyproject.toml", "noxfile.py"):  # by which a checkout is known
        shutil.copy(ROOT / name, copy / name)
    programs.mkdir()
    (programs / "python").symlink_to(sys.executable)
    before = _files(copy)
    script = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(copy), *sys.path]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=copy,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["1", "1"], "the same key is the same job"
    for said in ("breaks INV_001", "guarded: holds", "prevented by commit boundary", "breaks INV_004"):
        assert [line for line in lines if said in line], said
    assert "kept: failure_modes/FM_005_lost_job/traces/my_first_trace.json" in done.stdout + done.stderr
    assert _files(copy) == before
    assert list(temporary.iterdir()) == [], "the tour removes the folder that it made"


def _files(folder: Path) -> list[Path]:
    """The files of the project in the folder."""
    found = [path for name in FOLDERS for path in (folder / name).rglob("*")]
    return sorted([path for path in found if path.is_file()])
