"""Opens a file of an older version in one process after the other, each killed at a later statement.

`python -m tests.system.killed_upgrades FILE` prints for each process whether it was killed, and a digest of
what the file holds then. The last process is not killed, and so brings the file up.
"""

import hashlib
import itertools
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from system.clock import ManualClock
from system.sqlite import Connect, SQLiteStore


def dying(number: int) -> Connect:
    """Connections whose process is killed before the statement of that number."""
    statements = itertools.count(1)

    class Dying(sqlite3.Connection):
        def execute(self, sql: str, values: object = (), /) -> sqlite3.Cursor:
            if next(statements) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(sql, values)  # type: ignore[arg-type]

    return lambda target: sqlite3.connect(target, timeout=0, isolation_level=None, uri=True, factory=Dying)


def digest(path: Path) -> str:
    """Of the schema, its version and all rows."""
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchall()
        text = "\n".join([str(version), *connection.iterdump()])
    return hashlib.sha256(text.encode()).hexdigest()


def main(path: Path) -> None:
    """Fork a process for each statement, until one lives."""
    killed = True
    for number in itertools.count(1):
        child = os.fork()
        if not child:
            try:
                SQLiteStore(path, clock=ManualClock(), connect=dying(number)).close()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        sys.stdout.write(f"{'killed' if killed else 'lived'} {digest(path)}\n")
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
