"""The judged queues: a folder each, a short adapter, and kept traces that belong to it."""

import ast
from pathlib import Path

import pytest

from failure_modes.checker.report.card import JUDGED
from failure_modes.checker.report.hunted import NUMBERS
from failure_modes.checker.support.atomic_files import read_lines
from failure_modes.checker.traces.queue_trace import load_trace
from tests.test_structure import EVERYTHING, imported, parsed

LINES_MAX = 40
FOLDERS = sorted(path for path in JUDGED.iterdir() if (path / "adapter.py").exists())
each_folder = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def _assigned(node: ast.stmt) -> str | None:
    """The name to which a statement assigns; None if it does not assign to one name."""
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None


def _code(node: ast.ClassDef) -> int:
    """The lines of a class, without its docstrings, its claims and what others report."""
    for part in ast.walk(node):
        if isinstance(part, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(part):
            part.body = part.body[1:] or [ast.Pass()]
    node.body = [part for part in node.body if _assigned(part) not in ("claims", "note", "upstream")]
    return len([line for line in ast.unparse(node).splitlines() if line.strip()])


def test_queues_are_judged() -> None:
    """The rules below are about something."""
    assert {"huey", "litequeue", "ours", "persist_queue"} <= {folder.name for folder in FOLDERS}


@each_folder
def test_an_adapter_is_short(folder: Path) -> None:
    """No adapter has more lines of code than the limit."""
    classes = [node for node in parsed(folder / "adapter.py").body if isinstance(node, ast.ClassDef)]
    assert classes
    assert {node.name: _code(node) for node in classes if _code(node) > LINES_MAX} == {}


@each_folder
def test_what_is_kept_belongs_together(folder: Path) -> None:
    """Each finding of the numbers has its trace, each trace is a finding, and all was confirmed."""
    numbers = read_lines(folder / NUMBERS)
    assert numbers, "python -m failure_modes judge ADAPTER --keep"
    found = {
        (configuration, text.partition(" (")[0], one["moves"])
        for configuration, judged in numbers.items()
        for text, one in judged["hunts"].items()
        if one["found"]
    }
    traces = [load_trace(path) for path in (folder / "traces").glob("*.json")]
    assert found == {(trace.configuration, trace.kind, len(trace.moves)) for trace in traces}
    for trace in traces:
        assert trace.confirmed is not None
        assert trace.adapter.startswith(f"failure_modes.judged.{folder.name}.adapter:")
        assert trace.version == numbers[trace.configuration]["version"]


def test_nothing_is_found_in_our_own_queue() -> None:
    """By the same adapter as any other, and without its model."""
    for judged in read_lines(JUDGED / "ours" / NUMBERS).values():
        assert [text for text, one in judged["hunts"].items() if one["found"]] == []


def test_nobody_imports_a_judged_queue() -> None:
    """To remove a judged queue is to remove its folder."""
    importing = {
        path.name
        for path in EVERYTHING
        if not path.is_relative_to(JUDGED)
        and any(name.startswith("failure_modes.judged.") for name in imported(path))
    }
    assert importing == set()
