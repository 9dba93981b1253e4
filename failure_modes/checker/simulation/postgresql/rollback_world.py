"""The world on PostgreSQL whose store may be set back, as by the promotion of a standby that was behind.

The rows of before are written again, with the last ids of before: so ids are given out again. The sessions of
the processes live on, although a promotion would end them: `LostReply` is the action in which a connection
breaks. See `simulation/rollback_world.py`.
"""

from pathlib import Path
from typing import Any

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.history import History
from failure_modes.checker.simulation.postgresql.content import write_content
from failure_modes.checker.simulation.postgresql.world import PostgreSQLDatabase, PostgreSQLWorld
from failure_modes.checker.simulation.rollback_world import EarlierRows, RollsBack
from failure_modes.checker.simulation.subject import Subject


class PostgreSQLRollbackDatabase(EarlierRows, PostgreSQLDatabase):
    """A database at a server that keeps its earlier rows."""

    def __init__(self, subject: Subject, *, restorable: bool, **options: Any) -> None:
        self.history, self._restorable, self._present = History(), restorable, ()
        super().__init__(subject, **options)

    def last_audit_id(self) -> int:
        """The id of the last audit row; 0 if there is none."""
        [(last,)] = self.server.control.execute(
            f"SELECT coalesce(max(id), 0) FROM {self.subject.layout.audit}"
        ).fetchall()
        return int(last)

    def _refill(self, rows: Content) -> None:
        write_content(self.server.control, self.subject.layout, rows, self.everything(), empty_audit=False)


class PostgreSQLRollbackWorld(RollsBack, PostgreSQLWorld):
    """A world on PostgreSQL whose store may be set back."""

    database: PostgreSQLRollbackDatabase

    @property
    def can_roll_back(self) -> bool:
        """True unless a dead process still has a transaction at the server."""
        return not self.database.backends.has_ghosts

    def open_database(self, path: Path | None) -> PostgreSQLRollbackDatabase:
        """Open an empty database at the server."""
        del path
        return PostgreSQLRollbackDatabase(
            self.subject,
            restorable=self.restorable,
            shares=self.granularity is Granularity.TRANSACTION,
            within_statements=self._within_statements,
        )
