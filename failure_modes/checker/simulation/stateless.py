"""What a queue keeps in memory: it must keep nothing from one job to the next, or a proof could not see it.

A proof takes a worker at rest for one that has just been started. A queue that remembers (a counter, a cache)
would make that wrong, so it is refused. What is kept in a global variable, a class or a closure is not seen.
"""

from functools import cache
from types import FunctionType
from typing import Any

from attrs import fields, has

from failure_modes.checker.simulation.content import Unexplorable
from system.queue import Queue

_STORES = ("system.sqlite.store.SQLiteStore", "system.postgresql.store.PostgreSQLStore")
"""By name, since the driver of one need not be installed."""


def is_known_store(part: Any) -> bool:
    """Whether it is a store that we know, which keeps nothing between two transactions."""
    return f"{type(part).__module__}.{type(part).__qualname__}" in _STORES


def kept(part: Any) -> object:
    """The values that an object holds, and what it holds holds; the store that we know keeps none.

    Raises Unexplorable for an object that does not show what it holds.
    """
    if part is None or isinstance(part, int | float | str | bytes):
        return part
    if isinstance(part, list | tuple | set | frozenset):
        return tuple([kept(item) for item in part])
    if isinstance(part, dict):
        return tuple([(kept(key), kept(value)) for key, value in part.items()])
    name = type(part).__qualname__
    if is_known_store(part) or isinstance(part, FunctionType | type):
        return name
    if not has(type(part)) and not hasattr(part, "__dict__"):
        raise Unexplorable(f"nobody can see what the queue keeps in its {name}")
    slots = {one.name: getattr(part, one.name) for one in fields(type(part))} if has(type(part)) else {}
    held = slots | getattr(part, "__dict__", {})
    return name, tuple([(key, kept(value)) for key, value in held.items()])


def never_changes(part: Any) -> bool:
    """Whether nothing can be kept in it, so that it need not be watched: a frozen value of such values."""
    if part is None or isinstance(part, int | float | str | bytes) or is_known_store(part):
        return True
    if not _is_frozen(type(part).__mro__):
        return False
    return all(never_changes(getattr(part, one.name)) for one in fields(type(part)))


@cache
def _is_frozen(bases: tuple[type, ...]) -> bool:
    """Whether no attribute can be set on what has these base classes, itself the first."""
    own = bases[:-1]
    refuses = any("__setattr__" in vars(base) for base in own)  # as attrs has it
    return refuses and has(own[0]) and all("__slots__" in vars(base) for base in own)


def is_plain(queue: Queue) -> bool:
    """Whether its store is the one we know, so that nothing is held between two operations of a job."""
    return is_known_store(queue.store)


def watched(queue: Queue) -> "Watched | None":
    """The queue to be watched; None if there is no need to."""
    return None if never_changes(queue) else Watched(queue)


class Watched:
    """A queue that is being watched: it must not keep anything that it had not when it was made."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._at_first = kept(queue)

    def unexplorable(self) -> Unexplorable | None:
        """Why a process with this queue cannot be brought back; None if it can."""
        if kept(self._queue) == self._at_first:
            return None
        return Unexplorable("the queue or one of its policies keeps something in memory between operations")
