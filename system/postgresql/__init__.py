"""The store on PostgreSQL: workers on any number of machines. The only folder here that knows psycopg.

Each transaction runs at READ COMMITTED and locks the row of its job before it reads anything else of that
job. So transactions on one job run one after the other, and transactions on different jobs do not wait. A
lease passes over jobs whose rows are locked (SKIP LOCKED). Every transaction locks in the same order: the
job, its other rows, then the breaker and the retry budget. A lease reads the breaker first, and waits for no
job. The time is the server's, read after the lock.
"""

from system.postgresql.address import shown
from system.postgresql.connecting import BUSY_SECONDS, Connect, connecting
from system.postgresql.schema import SCHEMA_VERSION
from system.postgresql.store import PostgreSQLStore
from system.postgresql.transaction import PostgreSQLTransaction

__all__ = [
    "BUSY_SECONDS",
    "SCHEMA_VERSION",
    "Connect",
    "PostgreSQLStore",
    "PostgreSQLTransaction",
    "connecting",
    "shown",
]
