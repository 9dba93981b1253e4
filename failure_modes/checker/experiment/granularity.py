"""Where a process pauses: the one thing of a scope that the simulation knows."""

from enum import StrEnum


class Granularity(StrEnum):
    """Where a process pauses: before each transaction, or before each statement and after each COMMIT."""

    TRANSACTION = "transaction"
    STATEMENT = "statement"
