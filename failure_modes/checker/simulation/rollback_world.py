"""The world in which the store may be set back to an earlier state, while the processes live on.

The world keeps the rows from before the last commits. A rollback writes such rows again. Nothing else goes
back: not the time, not the charges of a gateway, not the memory of a process. A rollback is one transaction
of its own, so it cannot happen while a process has one open.

Rows that are written after a rollback get other tokens than the rows that were lost. Between two rollbacks no
id is given twice, so one token for all rows of that time tells as much as random ones.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from failure_modes.checker.simulation.content import Content, refill
from failure_modes.checker.simulation.history import HISTORY, History
from failure_modes.checker.simulation.sqlite_database import SQLiteDatabase
from failure_modes.checker.simulation.subject import Subject
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.simulation.world import World

EARLIER_MAX = 3
"""The commits that a rollback may undo."""


class EarlierRows:
    """Keeps the earlier rows of a database. It comes before the class of the database, which it extends."""

    history: History
    _restorable: bool
    """True if the audit is no part of the rows that are kept. See `content.py`."""
    _present: Content
    """The rows after the last commit."""

    def observe(self, clock: VirtualClock) -> None:
        """Open the database for the world itself, and set `observer`."""
        self._database.observe(clock)
        self._present = self._rows()

    def read(self) -> Content:
        """The history, and the rows of the state."""
        return ((HISTORY, ((self.history,),)), *self._database.read())

    def write(self, wanted: Content, present: Callable[[], Content], *, empty_audit: bool) -> None:
        """Change the present rows to the wanted ones, and have the wanted history."""
        self._database.write(wanted[1:], lambda: present()[1:], empty_audit=empty_audit)
        self.history, self._present = wanted[0][1][0][0], wanted[1:]

    def start_over(self) -> bool:
        """Be as a new database. The processes must be dead."""
        kept: bool = self._database.start_over()
        self.history, self._present = History(), self._rows()
        return kept

    def note_commit(self) -> None:
        """Keep the rows from before the commit that has just been made."""
        kept = (self._present, *self.history.earlier)[:EARLIER_MAX]
        self.history, self._present = History(kept, self.history.rollbacks), self._rows()

    def roll_back(self, commits: int) -> None:
        """Have the rows from before so many commits, or from before all that are kept."""
        earlier = self.history.earlier
        undone = min(commits, len(earlier))
        if not undone:
            return
        rows = earlier[undone - 1]
        if self._restorable:
            self._database.write(rows, self._database.read, empty_audit=True)
        else:
            self._refill(rows)
        self.history, self._present = History(earlier[undone:], self.history.rollbacks + 1), rows

    @property
    def _database(self) -> Any:
        """The database, without its earlier rows."""
        return super()

    def _refill(self, rows: Content) -> None:
        """Let every table have these rows, and no other. No process has a transaction open."""
        raise NotImplementedError

    def _rows(self) -> Content:
        rows: Content = self._database.read() if self._restorable else self._database.everything()
        return rows


class RollbackDatabase(EarlierRows, SQLiteDatabase):
    """A SQLite database that keeps its earlier rows."""

    def __init__(self, subject: Subject, *, restorable: bool, **options: Any) -> None:
        self.history, self._restorable, self._present = History(), restorable, ()
        super().__init__(subject, **options)

    def _refill(self, rows: Content) -> None:
        refill(self._observing, rows)


class RollsBack(World):
    """A world whose store may be set back. Its database keeps its earlier rows."""

    rolls_back = True

    @property
    def earlier(self) -> Any:
        """The database, with its earlier rows."""
        return self.database

    @property
    def timeline(self) -> int:
        """The number of rollbacks so far."""
        rollbacks: int = self.earlier.history.rollbacks
        return rollbacks

    def note_commit(self) -> None:
        """Note that a process has committed."""
        self.earlier.note_commit()
        self.content.note_change()

    def roll_back(self, commits: int) -> int:
        """Undo so many commits, or all that are kept. Returns the id of the last audit row."""
        self.content.write_pending()
        self.earlier.roll_back(commits)
        self.content.note_commit()
        last: int = self.earlier.last_audit_id()
        return last


class RollbackWorld(RollsBack):
    """A world on SQLite whose store may be set back."""

    def open_database(self, path: Path | None) -> RollbackDatabase:
        """Open a database that keeps its earlier rows."""
        return RollbackDatabase(self.subject, restorable=self.restorable, **self.database_options(path))
