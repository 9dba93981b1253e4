"""The wheel: one package, which works beside the files of somebody else's project."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
from reliability_habits import system

def charge(job, context):
    context.write({"charged": sum(job.payload["items"])})

with system.open("queue.db") as queue:
    job = queue.enqueue({"items": [2, 3]}, key="order-1")
    queue.work(charge, drain=True)
    print(queue.result(job.id))
"""


RUN = """
import runpy, sys
root, package, module, *arguments = sys.argv[1:]
sys.path[:] = ["", package, *[path for path in sys.path if path != root]]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.argv[:] = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""Runs a module without the checkout, which an editable installation adds to the path."""


def ran(place: Path, *arguments: str, package: Path) -> subprocess.CompletedProcess[str]:
    """Run a module with its arguments in a folder, with the package."""
    command = (sys.executable, "-P", "-c", RUN, str(ROOT), str(package), *arguments)
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the wheel was unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    command = (sys.executable, "-m", "pip", "wheel", *options, str(ROOT))
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A project with a module and a folder of the same names as ours, which cannot be imported."""
    for name in ("model", "failure_modes"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('theirs')", encoding="utf-8")
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "__init__.py").write_text("raise RuntimeError('theirs')", encoding="utf-8")
    (tmp_path / "shop.py").write_text(PROGRAM, encoding="utf-8")
    return tmp_path


def test_the_wheel_holds_one_package(package: Path) -> None:
    """Nothing that could hide a module of another project, and no test of ours."""
    assert {path.name.partition("-")[0] for path in package.iterdir()} == {"reliability_habits"}
    assert not list(package.rglob("test_*.py"))
    scripts = next(package.glob("*.dist-info/entry_points.txt")).read_text(encoding="utf-8")
    assert scripts.count("= reliability_habits.") == 2


def test_the_package_works_beside_other_modules_of_the_same_names(package: Path, theirs: Path) -> None:
    """The queue and the checker import nothing of the project in whose folder they run."""
    done = ran(theirs, "shop", package=package)
    assert (done.stdout, done.stderr) == ("{'charged': 5}\n", "")
    status = ran(theirs, "reliability_habits.system", "--db", "queue.db", "status", package=package)
    assert status.stdout.startswith("PENDING"), status.stderr
    trace = package / "reliability_habits/failure_modes/FM_001_duplicate_retry/traces"
    kept = str(trace / "crash_between_commit_and_finish.json")
    replayed = ran(theirs, "reliability_habits", "replay", kept, package=package)
    assert replayed.returncode == 0, replayed.stderr
    assert "job-1 has 2 effects" in replayed.stdout
    assert " replay: python -m reliability_habits replay " in replayed.stdout


def test_a_command_that_writes_to_the_project_needs_a_checkout(package: Path, theirs: Path) -> None:
    """An installed package is never written to."""
    before = sorted(package.rglob("*"))
    for command in (("new", "FM_099", "name"), ("docs",), ("find", "FM_001", "--keep", "name")):
        ended = ran(theirs, "reliability_habits", *command, package=package)
        assert ended.returncode == 2, command
        assert "is an installed package; run the command in a checkout of the project" in ended.stderr
        assert ended.stderr.count("\n") == 1
    assert [path for path in sorted(package.rglob("*")) if "__pycache__" not in str(path)] == before


def test_a_missing_library_is_told_in_one_line(tmp_path: Path) -> None:
    """The line names the extra that brings the library."""
    (tmp_path / "hypothesis.py").write_text(
        "raise ModuleNotFoundError('none', name='hypothesis')", encoding="utf-8"
    )
    code = "from failure_modes.__main__ import run; run()"
    command = (
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}",
        "find",
        "FM_001",
        "--driver",
        "hypothesis",
    )
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        2,
        "error: the checker needs hypothesis, which is not installed; "
        "pip install 'reliability-habits[checker]'\n",
    )


def test_an_import_that_the_wheel_cannot_rename_is_refused() -> None:
    """`import system` binds a name; in the wheel the program would import another project's module."""
    spec = importlib.util.spec_from_file_location("wheel_hook", ROOT / ".packaging" / "wheel.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    with pytest.raises(ValueError, match="binds a name that the wheel has not"):
        hook.renamed("import system.clock\n")
    assert hook.renamed('x = "model.state"\n') == 'x = "reliability_habits.model.state"\n'
    assert hook.renamed('"the model."\n') == '"the model."\n'
