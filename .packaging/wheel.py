"""Builds the wheel: the folders of the checkout become one package, `reliability_habits`.

A project that installs the wheel may have a `model.py` or a folder `system/` of its own. So the wheel holds
`reliability_habits.model`, `reliability_habits.system` and `reliability_habits.failure_modes`, and nothing
beside them. The files are the checkout's, but for the names of these packages in imports, in strings that
name a module, and in command lines. An editable installation is the checkout as it is.
"""

import ast
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "reliability_habits"
FOLDERS = ("model", "system", "failure_modes")
_NAMES = "|".join(FOLDERS)
_TEXTS = (
    (re.compile(r"python -m failure_modes\b"), f"python -m {PACKAGE}"),
    (re.compile(r"python -m system\b"), f"python -m {PACKAGE}.system"),
    (re.compile(r'"-m", "failure_modes"'), f'"-m", "{PACKAGE}"'),
    (re.compile(r"^( *)import system$", re.MULTILINE), rf"\1from {PACKAGE} import system"),
)
_IMPORT = re.compile(rf"\b(from|import) ({_NAMES})\b")
_MODULE = re.compile(rf"""(["'])({_NAMES})(\.[a-zA-Z_{{][\w.{{}}]*)""")
_INIT = '"""A small real job queue, a pure model of it, and a checker of queues."""\n'
_MAIN = '''"""`python -m reliability_habits` is the command line of the checker."""

from reliability_habits.failure_modes.__main__ import run

run()
'''


class WheelHook(BuildHookInterface[Any]):
    """Gives hatchling the renamed files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files to a temporary folder, and say where each goes in the wheel."""
        if version == "editable":
            return
        self._made = Path(tempfile.mkdtemp())
        package = self._made / PACKAGE
        build(Path(self.root), package)
        scripts = self.metadata.core.scripts
        scripts.update({name: f"{PACKAGE}.{place}" for name, place in scripts.items()})
        build_data["force_include"][str(package)] = PACKAGE

    def finalize(self, version: str, _data: dict[str, Any], _path: str) -> None:
        """Remove the temporary folder."""
        if version != "editable":
            shutil.rmtree(self._made)


def build(root: Path, package: Path) -> None:
    """Write the package from the checkout."""
    unwanted = shutil.ignore_patterns("__pycache__", ".*", "test_*.py", "conftest.py")
    for folder in FOLDERS:
        shutil.copytree(root / folder, package / folder, ignore=unwanted)
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".md", ".template"):
            path.write_text(renamed(path.read_text(encoding="utf-8"), python=path.suffix == ".py"), "utf-8")
    (package / "__init__.py").write_text(_INIT, "utf-8")
    (package / "__main__.py").write_text(_MAIN, "utf-8")
    (package / "py.typed").touch()


def renamed(text: str, *, python: bool = True) -> str:
    """The text of a file, with the names that its packages have in the wheel."""
    for pattern, replacement in _TEXTS:
        text = pattern.sub(replacement, text)
    if not python:
        return text
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            _rename(lines, node, [alias.name for alias in node.names if _ours(alias.name)])
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and _ours(node.module or ""):
            _rename(lines, node, [node.module or ""])
    return _MODULE.sub(rf"\1{PACKAGE}.\2\3", "".join(lines))


def _rename(lines: list[str], node: ast.Import | ast.ImportFrom, names: list[str]) -> None:
    """Rename the packages in an import."""
    for name in names:
        if isinstance(node, ast.Import) and node.names[0].asname is None:
            raise ValueError(f"`import {name}` binds a name that the wheel has not; import from it")
        lines[node.lineno - 1] = _IMPORT.sub(rf"\1 {PACKAGE}.\2", lines[node.lineno - 1], count=1)


def _ours(module: str) -> bool:
    return module.partition(".")[0] in FOLDERS
