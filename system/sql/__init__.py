"""The SQL that every database takes: the statements of a transaction, and the reads beside them.

A `?` stands for a value. The folder of each database has the rest: how it gives an id, and which rows a read
locks against other writers.
"""

from system.sql.reads import SQLReads
from system.sql.transaction import SQLTransaction

__all__ = ["SQLReads", "SQLTransaction"]
