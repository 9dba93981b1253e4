"""The rules of the house: who may import whom, where things are, and what each file has to have."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs",
    "failure_modes",
    "model",
    "noxfile.py",
    "pyproject.toml",
    "system",
    "tests",
}
LINES_MAX = 350
HEADINGS = (
    "description",
    "trigger",
    "preconditions",
    "mechanism",
    "symptoms",
    "violated invariants",
    "detection",
    "recovery and prevention",
    "acceptance",
)
FAILURE_MODES = sorted((ROOT / "failure_modes").glob("FM_*"))


def files(*packages: str) -> list[Path]:
    """The Python files of these folders."""
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


PRODUCT = [*files("model", "system", "failure_modes"), ROOT / "noxfile.py"]
EVERYTHING = [*PRODUCT, *files("tests")]
each_file = pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: path.relative_to(ROOT).as_posix())
each_product_file = pytest.mark.parametrize(
    "path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix()
)
each_failure_mode = pytest.mark.parametrize("folder", FAILURE_MODES, ids=lambda folder: folder.name)


def parsed(path: Path) -> ast.Module:
    """The file as a tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> set[str]:
    """The full names of all that a file imports, wherever in it: modules, and names out of them."""
    package = path.relative_to(ROOT).parent.parts
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def roots(path: Path) -> set[str]:
    """The top-level modules and packages that a file imports."""
    return {name.partition(".")[0] for name in imported(path)}


def identifiers(path: Path) -> set[str]:
    """Every name that a file's code uses or defines."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        for field in ("id", "attr", "name", "arg", "asname", "module"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found


def words(identifier: str) -> set[str]:
    """The words of an identifier, in small letters: `LeaseLost`, `lease_lost` and `LEASE_LOST` have two."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


# Who may import whom.


def test_the_imports_of_a_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules below see every form of import, also within a function and relative ones."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "a" / "b" / "c.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import os.path as p\nfrom time import sleep\ndef f():\n    from .d import e\n    from .. import g\n"
    )
    assert imported(path) == {"os.path", "time.sleep", "a.b.d.e", "a.g"}
    assert roots(path) == {"os", "time", "a"}


@pytest.mark.parametrize("path", files("model"), ids=lambda path: path.name)
def test_the_model_is_pure(path: Path) -> None:
    """The model imports values and nothing else: no clock, no chance, no input or output, no other folder."""
    assert roots(path) <= {
        "attrs",
        "collections",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "model",
        "typing",
    }


@pytest.mark.parametrize("path", files("system"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_system_knows_neither_the_model_nor_the_failure_modes(path: Path) -> None:
    """What a user installs and runs imports nothing of what it is checked with."""
    assert not roots(path) & {"model", "failure_modes", "tests", "hypothesis", "greenlet", "pytest", "rich"}


@pytest.mark.parametrize("path", files("system"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_system_says_nothing_of_faults(path: Path) -> None:
    """No identifier of the queue names a fault or a test of it: faults are put in from outside."""
    forbidden = {"broken", "fault", "faults", "faulty", "checker", "hypothesis"}
    assert {name for name in identifiers(path) if words(name) & forbidden} == set()


def test_the_words_of_an_identifier_are_told_apart() -> None:
    """A default is not a fault."""
    assert words("default_factory") == {"default", "factory"}
    assert words("IfBroken_FAULT2") == {"if", "broken", "fault"}


@each_file
def test_nobody_imports_a_failure_mode_by_name(path: Path) -> None:
    """Failure modes are found by their folder, so that removing one is removing a folder."""
    named = {name for name in imported(path) if re.search(r"\bFM_\d{3}", name)}
    text = {
        node.value
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.search(r"\bfailure_modes\.FM_\d{3}", node.value)
    }
    assert (named, text) == (set(), set())


@each_product_file
def test_only_the_clock_reads_the_time(path: Path) -> None:
    """Time comes from `system/clock.py`, and nothing else imports a module that has it."""
    seam = ROOT / "failure_modes" / "checker" / "simulation" / "seams" / "clock.py"
    judged = ROOT / "failure_modes" / "judged"  # a library may want a `timedelta`
    if path not in (ROOT / "system" / "clock.py", seam) and not path.is_relative_to(judged):
        assert not roots(path) & {"time", "datetime", "calendar", "timeit"}


@each_product_file
def test_only_the_store_and_the_world_know_sqlite(path: Path) -> None:
    """The store speaks to SQLite, and the checker's worlds; a cluster compares its version."""
    checker = ROOT / "failure_modes" / "checker"
    store = path.is_relative_to(ROOT / "system" / "sqlite")
    names = (
        "sqlite_stepping.py",
        "file_process.py",
        "sqlite_database.py",
        "constraints.py",
        "content.py",
        "gateway.py",
        "disk/vfs.py",
        "disk/images.py",
        "seams/sqlite.py",
    )
    world = [checker / "support" / "cluster.py", *[checker / "simulation" / name for name in names]]
    if not store and path not in world:
        assert "sqlite3" not in roots(path) | identifiers(path)


@each_product_file
def test_only_the_store_and_the_world_on_postgresql_know_its_driver(path: Path) -> None:
    """So that all else runs where no driver is installed."""
    checker = ROOT / "failure_modes" / "checker"
    folders = (
        ROOT / "system" / "postgresql",
        checker / "simulation" / "postgresql",
        checker / "support" / "postgresql",
        checker / "real" / "postgresql_location.py",
        checker / "simulation" / "seams" / "psycopg.py",
        ROOT / "failure_modes" / "judged",
    )
    if not any(path.is_relative_to(folder) for folder in folders):
        assert "psycopg" not in roots(path)


@each_file
def test_only_the_tests_import_the_tests(path: Path) -> None:
    """Nothing outside `tests` needs them."""
    if not path.is_relative_to(ROOT / "tests"):
        assert "tests" not in roots(path)


# Where things are.


def test_the_top_level_is_what_it_should_be() -> None:
    """Nothing visible lies at the top but what belongs there."""
    assert _top_level() == TOP_LEVEL


def _top_level() -> set[str]:
    """What git keeps or would keep, where there is git; else all that is not made by a tool."""
    git = shutil.which("git")
    if git is not None:
        command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
        names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
        if listed.returncode == 0 and names:
            return {name.partition("/")[0] for name in names if not name.startswith(".")}
    made = re.compile(r"__pycache__|build|dist|.*\.egg-info|\..*")
    return {entry.name for entry in ROOT.iterdir() if not made.fullmatch(entry.name)}


def test_there_are_failure_modes() -> None:
    """The rules for the folders of failure modes are about something."""
    assert [
        folder.name for folder in FAILURE_MODES if not re.fullmatch(r"FM_\d{3}_[a-z0-9_]+", folder.name)
    ] == []
    assert FAILURE_MODES


@each_failure_mode
def test_a_failure_mode_is_complete(folder: Path) -> None:
    """Its folder holds all that belongs to it, and each kept trace has the two texts that it prints."""
    number = folder.name[3:6]
    for name in (
        "__init__.py",
        "measured.json",
        "scenario.py",
        "spec.md",
        f"test_repro_fm{number}.py",
        f"test_prevent_fm{number}.py",
    ):
        assert (folder / name).is_file(), name
    traces = [path.stem for path in (folder / "traces").glob("*.json")]
    assert traces, "no trace is kept"
    texts = sorted([path.name for path in (folder / "expected").iterdir()])
    assert texts == sorted([f"{name}.{ran}.txt" for name in traces for ran in ("broken", "guarded")])


@each_failure_mode
def test_a_spec_has_all_its_headings(folder: Path) -> None:
    """The spec is named for the failure mode, and answers each question, in order and with some text."""
    text = (folder / "spec.md").read_text(encoding="utf-8")
    first, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert first.startswith(f"# {folder.name[:6]} {folder.name[7:].replace('_', ' ')}\n")
    answers = {name.strip().lower(): body.strip() for name, _, body in [s.partition("\n") for s in sections]}
    assert tuple(name for name in answers if name in HEADINGS) == HEADINGS
    assert [name for name in HEADINGS if not answers[name]] == []


@each_failure_mode
def test_a_spec_is_filled_in(folder: Path) -> None:
    """Nothing of what the template asks is left standing, but for what every failure mode must show."""
    asked = (ROOT / "failure_modes" / "template" / "spec.md").read_text(encoding="utf-8")
    asked = asked.partition("## Acceptance")[0]
    left = (folder / "spec.md").read_text(encoding="utf-8").splitlines()
    same = [line for line in asked.splitlines() if " " in line.strip("#|- ") and line in left]
    assert [line for line in same if not line.startswith(("#", "| tests", "| kept"))] == []


def test_each_failure_mode_has_a_session() -> None:
    """`nox --list` shows a session for each failure mode, and what plain `nox` runs."""
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "--list"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert listed.returncode == 0, listed.stderr
    sessions = re.findall(r"^[*-] (\S+) -> ", listed.stdout, re.MULTILINE)
    assert {f"fm{int(folder.name[3:6])}" for folder in FAILURE_MODES} <= set(sessions)
    assert "fm1" in sessions
    assert re.findall(r"^\* (\S+) -> ", listed.stdout, re.MULTILINE) == ["lint", "tests"]


# What each file has.


@each_file
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    """No file has as many lines as the limit."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < LINES_MAX


@each_file
def test_everything_public_has_a_docstring(path: Path) -> None:
    """Each module, public class, public function and method, and each test says what it is for."""
    tree = parsed(path)
    missing = [name for name, node in _public(tree) if not ast.get_docstring(node)]
    if not ast.get_docstring(tree):
        missing.append("the module")
    assert missing == []


_Defined = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(tree: ast.Module) -> Iterator[tuple[str, _Defined]]:
    """What can be reached from outside: not what is private, magic, or made within a function."""
    for node in _outside_functions(tree):
        if isinstance(node, _Defined) and not node.name.startswith("_"):
            yield node.name, node


def _outside_functions(parent: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(parent):
        yield node
        private = isinstance(node, ast.ClassDef) and node.name.startswith("_")
        if not private and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _outside_functions(node)
