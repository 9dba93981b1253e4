"""A queue without the unique indexes of its schema: what a fault does where no database stops it."""

from typing import Any

from system.schema import UNIQUE


def drop_constraints_of(store: Any) -> None:
    """Drop them from the database that a store has open."""
    with store._connections.one() as connection:  # noqa: SLF001 (a store runs no statement of others)
        for name in UNIQUE:
            connection.execute(f"DROP INDEX {name}")
