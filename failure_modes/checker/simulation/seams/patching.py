"""Replaces functions wherever a loaded module refers to them, and restores them afterwards.

`from sqlite3 import connect` binds the function in another module, so to change `sqlite3.connect` alone is
not enough. The places are looked for again only when more modules were loaded.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

Functions = Mapping[Any, Callable[..., Any]]
"""For each original function, its replacement."""

_OURS = __name__.partition(".simulation.")[0]
_SKIPPED = ("hypothesis", "_pytest", "pytest", "greenlet", "time_machine", _OURS)
"""The packages of the checker itself: they measure real time and draw real numbers."""


@contextmanager
def replaced(functions: Functions) -> Iterator[None]:
    """Inside, each loaded module that has one of the originals has its replacement instead."""
    found = _places(tuple(functions), len(sys.modules))
    for module, name, original in found:
        setattr(module, name, functions[original])
    try:
        yield
    finally:
        for module, name, original in found:
            setattr(module, name, original)


@contextmanager
def replaced_methods(
    methods: Mapping[tuple[type, str], Callable[[Any], Callable[..., Any]]],
) -> Iterator[None]:
    """Inside, each method of a class is what its function makes of the original."""
    originals = [(owner, name, vars(owner)[name]) for owner, name in methods]
    for owner, name, original in originals:
        setattr(owner, name, methods[owner, name](original))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


@cache
def _places(originals: tuple[Any, ...], modules: int) -> tuple[tuple[ModuleType, str, Any], ...]:
    """Each module, and the name in it, that refers to one of the originals."""
    del modules  # the places are the same while no module is loaded
    known = {id(original): original for original in originals}
    return tuple(
        [
            (module, name, known[id(value)])
            for module in list(sys.modules.values())
            if isinstance(module, ModuleType) and not _skipped(module.__name__)
            for name, value in list(vars(module).items())
            if id(value) in known
        ]
    )


def _skipped(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in _SKIPPED)
