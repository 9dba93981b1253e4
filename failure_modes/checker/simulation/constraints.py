"""A queue without the unique indexes of its schema: what a fault does where no database stops it."""

from collections.abc import Callable
from typing import Any

from system.schema import UNIQUE


def drop_constraints(execute: Callable[[str], object]) -> None:
    """Drop them. `execute` runs one statement on the database of a queue."""
    for name in UNIQUE:
        execute(f"DROP INDEX {name}")


def drop_constraints_of(store: Any) -> None:
    """Drop them from the database that a store has open."""
    with store._connections.one() as connection:  # noqa: SLF001 (a store runs no statement of others)
        drop_constraints(connection.execute)


def same_token() -> str:
    """The token of each job and execution in a world: there is one timeline, and no restored backup."""
    return "token"
