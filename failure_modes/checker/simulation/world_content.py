"""The content of a world: the rows of its database and of its gateway.

Many steps leave the database alone. So the rows are read only after a commit, and a restored content is
written only before something uses the database.
"""

from failure_modes.checker.simulation.constraints import Constraints
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.database import Database
from failure_modes.checker.simulation.gateway import CHARGES, COLUMNS, Gateway

CONTENTS_MAX = 100_000
"""The number of contents that are kept to share equal ones."""


class WorldContent:
    """The content of one world."""

    def __init__(self, database: Database, gateway: Gateway | None) -> None:
        self._database = database
        self._gateway = gateway
        self._database_from = 0 if gateway is None else 1
        """The index at which the database's part of a content begins: the gateway's part comes first."""
        self._changed = True
        """True if something was committed since the content was read."""
        self._audit_changed = False
        """True if something was committed since the audit was emptied."""
        self._present: Content = ()
        """The content that was read or written last."""
        self._pending: Content | None = None
        """The restored content that is not written yet; None if there is none."""
        self._shared: dict[Content, Content] = {}

    @property
    def is_pending(self) -> bool:
        """True if a restored content is not written yet: so nothing has run since, and nothing changed."""
        return self._pending is not None

    def note_change(self) -> None:
        """Note that rows may have changed without a commit."""
        self._changed = True

    def note_commit(self) -> None:
        """Note that something was committed, and that the audit may have new rows."""
        self._changed = self._audit_changed = True

    def now(self) -> Content:
        """The present content, or the restored one that is not written yet."""
        if self._pending is not None:
            return self._pending
        if self._changed:
            self._present, self._changed = self.shared(self._read()), False
        return self._present

    def shared(self, content: Content) -> Content:
        """The one object that all equal contents share, so that they are compared by identity."""
        if len(self._shared) > CONTENTS_MAX:
            self._shared.clear()
        return self._shared.setdefault(content, content)

    def restore(self, content: Content) -> None:
        """Restore the content of a snapshot. `write_pending` writes it."""
        self._pending = content if self._audit_changed or content is not self._present else None

    def write_pending(self) -> None:
        """Write the restored content. Must be called before something uses the database."""
        pending = self._pending
        if pending is None:
            return
        self._database.write(
            pending[self._database_from :], self._present_rows, empty_audit=self._audit_changed
        )
        if self._gateway is not None:
            self._gateway.restore(pending[0][1])
        self._present, self._pending = pending, None
        self._changed = self._audit_changed = False

    def audit_end(self, content: Content) -> int:
        """The id of the last audit row after this content was restored."""
        return self._database.audit_end(content[self._database_from :])

    def everything(self) -> Content:
        """Every row of every table, and every charge."""
        return (*self._charges(), *self._database.everything())

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The columns of each table of the state."""
        return ({} if self._gateway is None else {CHARGES: COLUMNS}) | self._database.columns()

    def constraints(self) -> Constraints | None:
        """The constraints of the tables of the state; None if they are not known."""
        return self._database.constraints()

    def _present_rows(self) -> Content:
        present = self._read() if self._changed else self._present
        return present[self._database_from :]

    def _read(self) -> Content:
        return (*self._charges(), *self._database.read())

    def _charges(self) -> Content:
        return () if self._gateway is None else ((CHARGES, self._gateway.rows()),)
