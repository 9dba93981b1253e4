"""Checks that a system keeps nothing in memory between two operations.

A proof assumes that a process at rest equals a process that has just been started. A system that keeps a
counter or a cache in memory breaks that assumption, so it is refused. The check does not see values in a
global variable, a class or a closure.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from attrs import fields, has

from failure_modes.checker.simulation.content import Unexplorable
from failure_modes.checker.simulation.stepping import SimulationPart

KeepsNothing = Callable[[Any], bool]
"""Returns True for an object that is known to keep nothing between two transactions. See `Subject`."""


def held_values(part: Any, keeps_nothing: KeepsNothing) -> object:
    """The values that an object holds, also through other objects; an object that keeps nothing has none.

    Raises Unexplorable for an object whose attributes cannot be read.
    """
    if part is None or isinstance(part, int | float | str | bytes):
        return part
    if isinstance(part, list | tuple | set | frozenset):
        return tuple([held_values(item, keeps_nothing) for item in part])
    if isinstance(part, dict):
        return tuple(
            [
                (held_values(key, keeps_nothing), held_values(value, keeps_nothing))
                for key, value in part.items()
            ]
        )
    name = type(part).__qualname__
    if keeps_nothing(part) or isinstance(part, SimulationPart | FunctionType | type):
        return name
    if not has(type(part)) and not hasattr(part, "__dict__"):
        raise Unexplorable(f"the system keeps a {name}, whose attributes cannot be read")
    slots = {one.name: getattr(part, one.name) for one in fields(type(part))} if has(type(part)) else {}
    held = slots | getattr(part, "__dict__", {})
    return name, tuple([(key, held_values(value, keeps_nothing)) for key, value in held.items()])


def never_changes(part: Any, keeps_nothing: KeepsNothing) -> bool:
    """True for a frozen value of frozen values: it cannot change, so it need not be watched."""
    if part is None or isinstance(part, int | float | str | bytes) or keeps_nothing(part):
        return True
    if not _is_frozen(type(part).__mro__):
        return False
    return all(never_changes(getattr(part, one.name), keeps_nothing) for one in fields(type(part)))


@cache
def _is_frozen(bases: tuple[type, ...]) -> bool:
    """True if no attribute can be set on an object of a class with this method resolution order."""
    own = bases[:-1]
    refuses = any("__setattr__" in vars(base) for base in own)  # attrs makes frozen classes so
    return refuses and has(own[0]) and all("__slots__" in vars(base) for base in own)


def watched(system: Any, keeps_nothing: KeepsNothing) -> "Watched | None":
    """Watch the system; None if it can never change."""
    return None if never_changes(system, keeps_nothing) else Watched(system, keeps_nothing)


def _changing_parts(part: Any, keeps_nothing: KeepsNothing) -> tuple[Any, ...]:
    """The parts in which a system can change: frozen values hold them, and they are not frozen."""
    if never_changes(part, keeps_nothing):
        return ()
    if not _is_frozen(type(part).__mro__):
        return (part,)
    held = [getattr(part, one.name) for one in fields(type(part))]
    return tuple([found for one in held for found in _changing_parts(one, keeps_nothing)])


class Watched:
    """A watched system: it must hold the same values at rest as when it was made."""

    def __init__(self, system: Any, keeps_nothing: KeepsNothing) -> None:
        self._parts = _changing_parts(system, keeps_nothing)
        self._keeps_nothing = keeps_nothing
        self._initial_values = held_values(self._parts, keeps_nothing)

    def unexplorable(self) -> Unexplorable | None:
        """The error if the system has kept something in memory; else None."""
        if held_values(self._parts, self._keeps_nothing) == self._initial_values:
            return None
        return Unexplorable("the system keeps something in memory between two operations")
