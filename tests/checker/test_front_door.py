"""The front door: `failure_modes.checker` has the public names, and what it says of itself runs."""

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest

from failure_modes import checker
from failure_modes.checker.experiment.catalogue import catalogue
from tests.checker.commands import ROOT
from tests.test_structure import imported

DOOR = Path(checker.__file__)


def test_the_lines_of_its_docstring_do_what_they_say() -> None:
    """They find, prevent, prove and replay the first failure mode there is."""
    results = doctest.testmod(checker)
    assert results.attempted >= 8
    assert results.failed == 0


def test_the_names_for_type_checkers_are_the_names_there_are() -> None:
    """Each name is declared once for people's tools and once to be imported, from the same module."""
    for_tools = {
        (alias.name, node.module)
        for node in ast.walk(ast.parse(DOOR.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module not in ("importlib", "typing")
        for alias in node.names
        if alias.asname == alias.name
    }
    assert for_tools == set(checker._MODULE_OF.items())  # noqa: SLF001


@pytest.mark.parametrize("name", checker._MODULE_OF)  # noqa: SLF001
def test_each_name_can_be_imported_and_is_defined_where_it_says(name: str) -> None:
    """It is the very object of its module, and is listed by `dir`."""
    found = getattr(checker, name)
    module = getattr(found, "__module__", None)
    assert module == checker._MODULE_OF[name]  # noqa: SLF001
    assert name in dir(checker)


def test_there_is_no_other_name() -> None:
    """A name that is spelt wrongly is an error where it is asked for."""
    with pytest.raises(AttributeError, match="has no attribute 'FailureMod'"):
        _ = checker.FailureMod


def test_it_imports_nothing_until_a_name_is_asked_for() -> None:
    """A command must be able to listen for signals before it imports much."""
    code = "import sys; import failure_modes.checker; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(ran.stdout.split())
    ours = {name for name in names if name.partition(".")[0] in ("failure_modes", "model", "system")}
    assert ours == {"failure_modes", "failure_modes.checker"}
    assert not {"attrs", "hypothesis", "sqlite3", "greenlet"} & names


@pytest.mark.parametrize("folder", [mode.folder for mode in catalogue()], ids=lambda folder: folder.name)
def test_a_scenario_comes_in_by_two_doors(folder: Path) -> None:
    """Of this project it imports public names of the checker, and of the policies; nothing else."""
    ours = ("failure_modes", "model", "system")
    names = {name for name in imported(folder / "scenario.py") if name.partition(".")[0] in ours}
    assert {name.rpartition(".")[0] for name in names} <= {"failure_modes.checker", "system.policies"}
