"""A payment gateway: a second system with a durable store of its own, out of reach of any transaction.

It honours idempotency keys when it is told one: what was charged under a key is not charged again, and the
charge that there is comes back.
"""

import sqlite3

from failure_modes.checker.simulation.stepping import Row

CHARGES = "charges"
COLUMNS = ("id", "key", "value")


class Gateway:
    """The gateway of one run; `close` it."""

    def __init__(self, target: str = ":memory:") -> None:
        """`target` is a file, or memory: a file may be opened by many processes at once."""
        self._connection = sqlite3.connect(target, isolation_level=None)
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {CHARGES}"
            " (id INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT NOT NULL)"
        )

    def charge(self, value: str, key: str | None) -> int:
        """Charge, or find the charge that was made under this key. Returns its id."""
        known = self._connection.execute(f"SELECT id FROM {CHARGES} WHERE key = ?", (key,)).fetchall()
        if known:
            return int(known[0][0])
        added = self._connection.execute(f"INSERT INTO {CHARGES} (key, value) VALUES (?, ?)", (key, value))
        assert added.lastrowid is not None, "an INSERT gives a row id"
        return added.lastrowid

    def rows(self) -> tuple[Row, ...]:
        """Every charge, by id."""
        return tuple(self._connection.execute(f"SELECT * FROM {CHARGES} ORDER BY id").fetchall())

    def restore(self, rows: tuple[Row, ...]) -> None:
        """Hold these charges and no others."""
        if rows == self.rows():
            return
        self._connection.execute(f"DELETE FROM {CHARGES}")
        for row in rows:
            self._connection.execute(f"INSERT INTO {CHARGES} VALUES (?, ?, ?)", row)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
