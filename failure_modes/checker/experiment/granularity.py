"""The granularity of a run: where a process pauses. The simulation knows no other part of a scope."""

from enum import StrEnum


class Granularity(StrEnum):
    """The points at which a process pauses.

    At `transaction`: before each transaction. At `statement`: before each statement and after each COMMIT.
    """

    TRANSACTION = "transaction"
    STATEMENT = "statement"
