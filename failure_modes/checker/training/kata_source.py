"""The code of a learner's file: the broken policy of a failure mode, or the empty policy to write.

The broken policy is the source of the fault, or of the class in `kata.py`, with what it uses. Its docstrings
and comments say what is wrong, so they are left out. So no file holds its solution.
"""

import ast
import inspect
import re
import sys
from itertools import pairwise
from textwrap import indent, wrap
from typing import Any

from attrs import fields, has

from failure_modes.checker.training.kata import ModeKata
from failure_modes.checker.training.stand_in import classes_of
from system import policies
from system.policies import Policies

_STAR = "from system.policies import *  # everything that a policy is made of"
_WIDTH = 100


def right_class(slot: str) -> type:
    """The queue's own class of that policy."""
    return type(getattr(Policies(), slot))


def learner_name(slot: str) -> str:
    """The name of the learner's class."""
    return f"My{right_class(slot).__name__}"


def methods_to_write(one: ModeKata) -> tuple[str, ...]:
    """The methods of the broken policy. The learner must have each, and none may call the queue's own one."""
    own = [node.name for node in _tree_of(one.broken).body if isinstance(node, ast.FunctionDef)]
    return tuple([name for name in own if not name.startswith("_")] or own)


def broken_source(one: ModeKata) -> str:
    """The code of the broken policy, ready to run: its imports, the values and classes that it uses."""
    broken, *queue = (one.broken, *classes_of(one.mode)[1:])
    source = inspect.getsource(_module_of(one))
    lines, tree = source.splitlines(), ast.parse(source)
    needed = _needed(tree, {cls.__name__ for cls in (broken, *queue)})
    parts = [
        _without_spoilers(lines, node) if _is_class(node, broken) else _text(lines, node) for node in needed
    ]
    used = {name for node in needed for name in _names(node)}
    code = "\n\n\n".join(["\n".join(_imports(tree, used)), *parts]).replace('\n\n\n"""', '\n"""')
    return re.sub(rf"\b{broken.__name__}\b", learner_name(one.slot), code) + "\n"


def empty_source(slot: str, methods: tuple[str, ...]) -> str:
    """The code of a policy without its methods. It inherits only the settings, if there are some."""
    right = right_class(slot)
    above = f"({right.__name__})" if has(right) and fields(right) else ""
    parts = [f'class {learner_name(slot)}{above}:\n    """The policy to write."""\n']
    for name in methods:
        method = getattr(right, name)
        tree = _tree_of(right)
        [node] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
        node.body = []
        head = ast.unparse(node).splitlines()[0]
        doc = indent(_docstring(inspect.getdoc(method) or ""), " " * 8)
        parts.append(f'    {head}\n{doc}\n        raise NotImplementedError("write this method")\n')
    return "\n\n\n".join([_STAR, "\n".join(parts)])


def _tree_of(cls: type) -> ast.ClassDef:
    [node] = ast.parse(inspect.getsource(cls)).body
    assert isinstance(node, ast.ClassDef), "the source of a class is a class"
    return node


def _needed(tree: ast.Module, wanted: set[str]) -> list[Any]:
    """The top-level definitions of these names, and of all that they use, in their order."""
    defined = {name: node for node in tree.body for name in _defines(node)}
    found: set[str] = set()
    left = list(wanted)
    while left:
        name = left.pop()
        if name in defined and name not in found:
            found.add(name)
            left += _names(defined[name])
    kept: list[Any] = []
    for before, node in pairwise([None, *tree.body]):
        explains = isinstance(node, ast.Expr) and isinstance(before, ast.Assign) and before in kept
        if explains or (node is not None and set(_defines(node)) & found):
            kept.append(node)
    return kept


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _imports(tree: ast.Module, used: set[str]) -> list[str]:
    """The imports of these names. What `system.policies` exports comes with one line."""
    exported = set(policies.__all__)
    lines = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [one for one in node.names if (one.asname or one.name) in used - exported]
            if names:
                node.names = names
                lines.append(ast.unparse(node))
    return [*lines, _STAR]


def _text(lines: list[str], node: ast.stmt) -> str:
    assert node.end_lineno is not None, "a parsed node has its lines"
    first = min([node.lineno, *[one.lineno for one in getattr(node, "decorator_list", [])]])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _is_class(node: ast.stmt, cls: type) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == cls.__name__


def _without_spoilers(lines: list[str], node: ast.ClassDef) -> str:
    """The text of the broken policy, without the docstrings and comments that say what is wrong."""
    kept: list[str | None] = [re.sub(r"  # .*", "", line) for line in lines]
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    owners: list[ast.ClassDef | ast.FunctionDef] = [node, *methods]
    for owner in owners:
        doc = owner.body[0]
        if isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant):
            assert doc.end_lineno is not None, "a parsed node has its lines"
            kept[doc.lineno - 1 : doc.end_lineno] = [None] * (doc.end_lineno - doc.lineno + 1)
            if owner is node:
                kept[doc.lineno - 1] = '    """The policy of the queue, as it was when it happened."""'
    text = kept[node.lineno - 1 : node.end_lineno]
    return "\n".join([line for line in text if line is not None])


def _docstring(text: str) -> str:
    paragraphs = [" ".join(one.split()) for one in text.split("\n\n")]
    if len(paragraphs) == 1 and len(paragraphs[0]) < _WIDTH - 16:
        return f'"""{paragraphs[0]}"""'
    wrapped = "\n\n".join(["\n".join(wrap(one, _WIDTH - 12)) for one in paragraphs])
    return f'"""{wrapped}\n"""'


def facts_of(one: ModeKata) -> dict[str, object]:
    """The values that are facts of the kata, by name."""
    return {name: getattr(_module_of(one), name) for name in one.kata.facts}


def _module_of(one: ModeKata) -> Any:
    """The module that has the broken policy."""
    return sys.modules[one.broken.__module__]
