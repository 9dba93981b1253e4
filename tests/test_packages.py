"""The packages of the checker: which there are, and which way they import."""

import ast
from collections.abc import Container
from pathlib import Path

import pytest

from failure_modes.checker.report.architecture import PACKAGES
from tests.test_structure import ROOT, files, identifiers, imported, parsed, roots


def test_the_checker_is_made_of_these_packages() -> None:
    """No file lies flat beside them but the front door and what tests call."""
    checker = ROOT / "failure_modes" / "checker"
    folders = {path.name for path in checker.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(PACKAGES)
    assert {path.name for path in checker.glob("*.py")} == {"__init__.py", "testing.py"}


def test_the_tests_mirror_the_packages() -> None:
    """Each package of the checker has a folder of tests, and no other folder is there."""
    tests = ROOT / "tests" / "checker"
    assert {path.name for path in tests.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(
        PACKAGES
    )
    assert {path.name for path in tests.glob("test_*.py")} == {"test_front_door.py", "test_removed.py"}


@pytest.mark.parametrize("path", files("failure_modes/checker"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_those_above_it(path: Path) -> None:
    """An import that points down the list would make a circle, or hide what a package knows."""
    _, _, package, *_ = path.relative_to(ROOT).parts
    if package not in PACKAGES:
        return
    below = PACKAGES[PACKAGES.index(package) + 1 :]
    parts = [name.split(".") for name in imported(path) if name.startswith("failure_modes.checker.")]
    assert [".".join(name) for name in parts if name[2] in below] == []


SIMULATION = files("failure_modes/checker/simulation")
ROOMS = ("simulation", "subject", "oracle", "proof")
OURS = {"Queue", "Store", "SQLiteStore", "PostgreSQLStore", "Worker", "Fault", "build_queue"}
"""What our queue is made of."""


@pytest.mark.parametrize("path", SIMULATION, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_simulation_knows_no_queue_and_no_model(path: Path) -> None:
    """Of what is under test the simulation knows the port: it can run a subject that is not ours."""
    assert not roots(path) & {"system", "model"}
    assert not identifiers(path) & OURS


def test_what_the_simulation_imports_leads_to_no_queue_and_no_model() -> None:
    """Nor by way of another package, but `support/`, which asks our clock how long something took."""
    names = {_module(path): path for path in files("failure_modes/checker")}
    coming = [_module(path) for path in SIMULATION]
    seen: set[str] = set()
    while coming:
        module = coming.pop()
        if module in seen or module.startswith("failure_modes.checker.support."):
            continue
        seen.add(module)
        assert not roots(names[module]) & {"system", "model"}, module
        coming += [known for name in imported(names[module]) if (known := _in(names, name))]
    assert "failure_modes.checker.experiment.granularity" in seen


FOREIGN = {
    "connection.isolation_level",  # of Python's own classes
    "connection.text_factory",  # of Python's own classes
    "error.sqlite_errorcode",
    "connections._connect",  # a fault of the disk's, put in from outside
    "handling._is_here",  # all processes of a world run in one thread of Python
}


@pytest.mark.parametrize(
    "path",
    [path for room in ROOMS for path in files(f"failure_modes/checker/{room}") if path.name != "vfs.py"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_class_writes_the_fields_of_another(path: Path) -> None:
    """Each object changes itself, by its methods; only the VFS writes structures of C."""
    written = {
        ast.unparse(node)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value) != "self"
    }
    assert written <= FOREIGN


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Each module can be read after those that it imports."""
    names = {_module(path): path for path in files("model", "system", "failure_modes")}
    left = {
        module: {_in(names, name) for name in imported(path)} - {module, None}
        for module, path in names.items()
    }
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert sorted(left) == []


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _in(names: Container[str], name: str) -> str | None:
    """The module of ours that a name is in or of."""
    above = name.rpartition(".")[0]
    return name if name in names else above if above in names else None
