"""A queue without the unique indexes of its schema: what a fault does where no database stops it."""

from collections.abc import Callable

from system.schema import UNIQUE


def drop_constraints(execute: Callable[[str], object]) -> None:
    """Drop them. `execute` runs one statement on the database of a queue."""
    for name in UNIQUE:
        execute(f"DROP INDEX {name}")


def same_token() -> str:
    """The token of each job and execution in a world: there is one timeline, and no restored backup."""
    return "token"
