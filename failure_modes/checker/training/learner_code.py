"""The code of a learner, as a fault. What is wrong with the code itself is said in one clear line.

The line says what is wrong, in which line of the file, and what would be right. A traceback of the checker is
never shown. The code runs here, so this module is used in a process that may be killed.
"""

import ast
import copy
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from traceback import extract_tb
from types import FunctionType, ModuleType
from typing import Any

from attrs import field, frozen

from failure_modes.checker.support.errors import CallerError
from system.queue import Queue
from system.store import StoreError

MODULE = "learner_code_of_a_kata"
"""The name of the module that the learner's file becomes."""


class Unusable(CallerError):
    """The learner's code cannot be judged. The message is one line for the learner."""


class LearnerError(BaseException):
    """The learner's code raised an error. Not an Exception, so that few parts of the queue catch it."""


@frozen(kw_only=True)
class Demand:
    """What a file must have: a class, and methods that the learner writes without the queue's own ones.

    `facts` are values that the file must leave as they are.
    """

    name: str
    right: type
    methods: tuple[str, ...]
    queue: str | None = None
    facts: dict[str, object] = field(factory=dict)


@frozen(kw_only=True)
class LearnerCode:
    """The classes of a learner's file, and a check that they kept nothing in memory."""

    policy: type
    queue: type[Queue] | None
    changed_global: Callable[[], str | None]
    """Returns the name of a global value that changed since the file was loaded."""
    errors: list[str]
    """The errors that the code raised, described. A worker goes on after some of them."""


def load(path: Path, demand: Demand) -> LearnerCode:
    """Run the file, and take its classes. Raises Unusable."""
    module = _run(path)
    policy = getattr(module, demand.name, None)
    if not isinstance(policy, type):
        raise Unusable(f"{path.name}: there is no class {demand.name}; define it: class {demand.name}(…):")
    _check_written(path, policy, demand)
    for name, value in demand.facts.items():
        if getattr(module, name, None) != value:
            raise Unusable(f"{path.name}: {name} is a fact of this kata; leave it as it was: {value!r}")
    queue = getattr(module, demand.queue, None) if demand.queue else None
    if queue is not None and not (isinstance(queue, type) and issubclass(queue, Queue)):
        raise Unusable(f"{path.name}: {demand.queue} must be a class that derives from Queue")
    errors: list[str] = []
    for owner in (one for one in vars(module).values() if isinstance(one, type)):
        if owner.__module__ == MODULE:
            _report_errors(path, owner, errors)
    before = _values(module)
    return LearnerCode(
        policy=policy, queue=queue, changed_global=lambda: _changed(before, _values(module)), errors=errors
    )


def line_of(path: Path, error: BaseException) -> int | None:
    """The last line of the learner's file in the traceback of an error; None if it has no such line."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else None


def described(path: Path, error: BaseException, line: int | None = None) -> str:
    """An error of the learner's code, in one line, with its line; `line` if the error has none."""
    line = line_of(path, error) or line
    where = f"{path.name}, line {line}" if line else path.name
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    kind = "" if isinstance(error, SyntaxError) else f"{type(error).__name__}: "
    return f"{where}: {kind}{text}"[:300].rstrip(": ")


def _run(path: Path) -> ModuleType:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Unusable(f"{path.name}: not a text file in UTF-8; save it as UTF-8") from None
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    try:
        exec(compile(text, str(path), "exec"), vars(module))  # the learner's own code
    except SyntaxError as error:
        raise Unusable(f"{described(path, error)}; Python cannot read the file") from None
    except (Exception, SystemExit) as error:
        raise Unusable(f"{described(path, error)}; the file must run by itself, to its end") from None
    return module


def _check_written(path: Path, policy: type, demand: Demand) -> None:
    """Check that the learner wrote the methods, and calls none of the queue's own. Raises Unusable."""
    for name in demand.methods:
        if not _is_own(path, policy, name):
            raise Unusable(
                f"{path.name}: {demand.name} has no method {name} of its own; "
                f"to write {name} is the exercise, and the one of the queue is not used"
            )
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = vars(sys.modules[MODULE])
    owners = [one.__name__ for one in policy.__mro__ if one.__module__ == MODULE]
    used = [one for one in tree.body if not isinstance(one, ast.ClassDef) or one.name in owners]
    for node in [one for part in used for one in ast.walk(part)]:
        if (
            isinstance(node, ast.Attribute)
            and node.attr in demand.methods
            and _is_right(node.value, demand, module)
        ):
            raise Unusable(
                f"{path.name}, line {node.lineno}: this calls the queue's own {node.attr}; "
                "to write it is the exercise, so write here what it must do"
            )


def _is_own(path: Path, policy: type, name: str) -> bool:
    """True if the learner wrote the method, or a public one in place of a private one."""
    public = [other for other in dir(policy) if not other.startswith("_")] if name.startswith("_") else []
    codes = [getattr(getattr(policy, one, None), "__code__", None) for one in (name, *public)]
    return str(path) in [getattr(code, "co_filename", None) for code in codes]


def _is_right(node: ast.expr, demand: Demand, module: dict[str, object]) -> bool:
    """True if the expression is `super()`, or makes or names the queue's own policy, whatever its name."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "super" or _is_right(node.func, demand, module)
    return isinstance(node, ast.Name) and module.get(node.id) is demand.right


def _report_errors(path: Path, owner: type, errors: list[str]) -> None:
    """Let each method of the class raise LearnerError for an error of its code."""
    for name, method in list(vars(owner).items()):
        if isinstance(method, FunctionType) and method.__code__.co_filename == str(path):
            setattr(owner, name, _reporting(path, method, errors))


def _reporting(path: Path, method: FunctionType, errors: list[str]) -> Callable[..., Any]:
    @wraps(method)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return method(*arguments, **options)
        except StoreError:
            raise  # the store refused: that is a result, and not an error of the code
        except (Exception, SystemExit) as error:
            errors.append(described(path, error, method.__code__.co_firstlineno))
            raise LearnerError(errors[-1]) from None

    return called


def _values(module: ModuleType) -> dict[str, object]:
    """The values that the module and its classes hold in memory."""
    classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == MODULE]
    found: dict[str, object] = {}
    for owner in (module, *classes):
        for name, value in vars(owner).items():
            if not name.startswith("__") and isinstance(value, int | float | str | list | dict | set):
                found[name] = copy.deepcopy(value)
    return found


def _changed(before: dict[str, object], after: dict[str, object]) -> str | None:
    return next((name for name in sorted(after) if before.get(name) != after[name]), None)
