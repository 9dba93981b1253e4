"""What every SQL database is told in the same words: a transaction's statements, and the reads beside them.

A `?` stands for a value. What differs from one database to the other (how it gives an id, which rows a read
holds against other writers) is in that database's folder.
"""

from system.sql.reads import SQLReads
from system.sql.transaction import SQLTransaction

__all__ = ["SQLReads", "SQLTransaction"]
