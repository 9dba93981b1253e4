"""Finds a handler by name: `package.module:function`, in the current folder or on the Python path."""

import importlib
import inspect
import sys
from pathlib import Path

from system.worker import Handler, describe


class NoHandler(ValueError):
    """There is no such handler. The message says what is missing, and where."""


def load_handler(path: str) -> Handler:
    """Import the handler. Raises NoHandler."""
    name, _, function_name = path.partition(":")
    if not function_name.isidentifier() or not all(part.isidentifier() for part in name.split(".")):
        raise NoHandler(f"{path!r} is not of the form package.module:function")
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NoHandler(f"{path!r}: {_why_not(name, error)}") from error
    if not hasattr(module, function_name):
        file = getattr(module, "__file__", None) or "built in"
        raise NoHandler(f"{path!r}: module {name!r} ({file}) has no {function_name!r}")
    handler: Handler = getattr(module, function_name)
    if wrong := _unfit(handler):
        raise NoHandler(f"{path!r} {wrong}; it must be a function of (job, context)")
    return handler


def _unfit(handler: object) -> str | None:
    if not callable(handler):
        return f"is of type {type(handler).__name__}"
    if inspect.iscoroutinefunction(handler):
        return "is an async function, which nothing here would await"
    try:
        inspect.signature(handler).bind("job", "context")
    except TypeError as error:
        return f"cannot be called: {error}"
    except ValueError:  # written in C, with no signature to read
        pass
    return None


def _why_not(name: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r} in this folder or on the Python path"
    return f"importing {name!r} raised {describe(error)}"
