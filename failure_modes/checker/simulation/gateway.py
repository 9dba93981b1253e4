"""A payment gateway: a second system with a durable store of its own, which no transaction covers.

The gateway honours idempotency keys: a second charge with the same key adds nothing and returns the first
charge.
"""

import sqlite3

from failure_modes.checker.simulation.stepping import Row

CHARGES = "charges"
COLUMNS = ("id", "key", "value")


class Gateway:
    """The gateway of one run. `close` must be called."""

    def __init__(self, target: str = ":memory:") -> None:
        """`target` is a file, which many processes may open at once, or `:memory:`."""
        self._connection = sqlite3.connect(target, isolation_level=None)
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {CHARGES}"
            " (id INTEGER PRIMARY KEY, key TEXT UNIQUE, value TEXT NOT NULL)"
        )

    def charge(self, value: str, key: str | None) -> int:
        """Make a charge, or find the charge with this key. Returns the id of the charge."""
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
        """Restore the charges of a snapshot."""
        if rows == self.rows():
            return
        self._connection.execute(f"DELETE FROM {CHARGES}")
        for row in rows:
            self._connection.execute(f"INSERT INTO {CHARGES} VALUES (?, ?, ?)", row)

    def close(self) -> None:
        """Close the store."""
        self._connection.close()
