"""The packages of the checker: which there are, and which way they import."""

from collections.abc import Container
from pathlib import Path

import pytest

from failure_modes.checker.report.architecture import PACKAGES
from tests.test_structure import ROOT, files, imported


def test_the_checker_is_made_of_these_packages() -> None:
    """No file lies flat beside them but the front door and what tests call."""
    checker = ROOT / "failure_modes" / "checker"
    folders = {path.name for path in checker.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(PACKAGES)
    assert {path.name for path in checker.glob("*.py")} == {"__init__.py", "testing.py"}


@pytest.mark.parametrize("path", files("failure_modes/checker"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_imports_only_those_above_it(path: Path) -> None:
    """An import that points down the list would make a circle, or hide what a package knows."""
    _, _, package, *_ = path.relative_to(ROOT).parts
    if package not in PACKAGES:
        return
    below = PACKAGES[PACKAGES.index(package) + 1 :]
    parts = [name.split(".") for name in imported(path) if name.startswith("failure_modes.checker.")]
    assert [".".join(name) for name in parts if name[2] in below] == []


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
