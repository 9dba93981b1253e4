"""The store on SQLite: one file, WAL, `synchronous=FULL`. The only folder here that speaks SQL.

Each transaction begins with BEGIN IMMEDIATE, so writers exclude each other from their first statement on and
no read inside one can be stale. The state of a job is never stored. `available_at` is the queue's schedule
(the visibility timeout); through its partial index a lease costs the same at any length of the queue.
"""

from system.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION
from system.sqlite.store import BUSY_SECONDS, Connect, SQLiteStore, connecting
from system.sqlite.transaction import SQLiteTransaction

__all__ = [
    "APPLICATION_ID",
    "BUSY_SECONDS",
    "SCHEMA_VERSION",
    "Connect",
    "SQLiteStore",
    "SQLiteTransaction",
    "connecting",
]
