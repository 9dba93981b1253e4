"""What a system keeps in memory: nothing from one operation to the next, or a proof could not see it.

A proof takes a process at rest for one that has just been started. A system that remembers (a counter, a
cache) would make that wrong, so it is refused. What is kept in a global variable, a class or a closure is not
seen.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from attrs import fields, has

from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import OfSimulation

KeepsNothing = Callable[[Any], bool]
"""Says of an object that it is known to keep nothing between two transactions. The subject says so."""


def kept(part: Any, keeps_nothing: KeepsNothing) -> object:
    """The values that an object holds, and what it holds holds; an object that keeps nothing has none.

    Raises Unexplorable for an object that does not show what it holds.
    """
    if part is None or isinstance(part, int | float | str | bytes):
        return part
    if isinstance(part, list | tuple | set | frozenset):
        return tuple([kept(item, keeps_nothing) for item in part])
    if isinstance(part, dict):
        return tuple([(kept(key, keeps_nothing), kept(value, keeps_nothing)) for key, value in part.items()])
    name = type(part).__qualname__
    if keeps_nothing(part) or isinstance(part, OfSimulation | FunctionType | type):
        return name
    if not has(type(part)) and not hasattr(part, "__dict__"):
        raise Unexplorable(f"nobody can see what the system keeps in its {name}")
    slots = {one.name: getattr(part, one.name) for one in fields(type(part))} if has(type(part)) else {}
    held = slots | getattr(part, "__dict__", {})
    return name, tuple([(key, kept(value, keeps_nothing)) for key, value in held.items()])


def never_changes(part: Any, keeps_nothing: KeepsNothing) -> bool:
    """Whether nothing can be kept in it, so that it need not be watched: a frozen value of such values."""
    if part is None or isinstance(part, int | float | str | bytes) or keeps_nothing(part):
        return True
    if not _is_frozen(type(part).__mro__):
        return False
    return all(never_changes(getattr(part, one.name), keeps_nothing) for one in fields(type(part)))


@cache
def _is_frozen(bases: tuple[type, ...]) -> bool:
    """Whether no attribute can be set on what has these base classes, itself the first."""
    own = bases[:-1]
    refuses = any("__setattr__" in vars(base) for base in own)  # as attrs has it
    return refuses and has(own[0]) and all("__slots__" in vars(base) for base in own)


def watched(system: Any, keeps_nothing: KeepsNothing) -> "Watched | None":
    """The system to be watched; None if there is no need to."""
    return None if never_changes(system, keeps_nothing) else Watched(system, keeps_nothing)


class Watched:
    """A system that is being watched: it must not keep anything that it had not when it was made."""

    def __init__(self, system: Any, keeps_nothing: KeepsNothing) -> None:
        self._system = system
        self._keeps_nothing = keeps_nothing
        self._at_first = kept(system, keeps_nothing)

    def unexplorable(self) -> Unexplorable | None:
        """Why a process with this system cannot be restored; None if it can."""
        if kept(self._system, self._keeps_nothing) == self._at_first:
            return None
        return Unexplorable("the system keeps something in memory between two operations")
