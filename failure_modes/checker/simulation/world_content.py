"""What is in the database of a world, and in its gateway: read when it changed, and restored when it is used.

Many a step leaves the database alone. So a world that is restored only notes the content that it wants, and
the rows are written when something is about to use them.
"""

from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.database import Database
from failure_modes.checker.simulation.gateway import CHARGES, Gateway

CONTENTS_MAX = 100_000
"""Contents that are known again."""


class WorldContent:
    """The content of a restorable world."""

    def __init__(self, database: Database, gateway: Gateway | None) -> None:
        """What is there now is the first content."""
        self._database = database
        self._gateway = gateway
        self._own = 0 if gateway is None else 1
        """Where the database's part of a content begins: the gateway's part comes first."""
        self._changed = False
        """Whether something was committed since the content was read."""
        self._audit_changed = False
        """Whether something was committed since the audit was emptied."""
        self._present = self._read()
        self._wanted: Content | None = None
        """What is to be in the database before it is next used; None if that is there already."""
        self._once: dict[Content, Content] = {}

    @property
    def unused(self) -> bool:
        """True if nothing has run since the world was restored: so nothing can have changed."""
        return self._wanted is not None

    def note_change(self) -> None:
        """Something may have changed in the database."""
        self._changed = True

    def note_commit(self) -> None:
        """Something was committed, and the audit may tell of it."""
        self._changed = self._audit_changed = True

    def now(self) -> Content:
        """What is there now, or will be once it is used."""
        if self._wanted is not None:
            return self._wanted
        if self._changed:
            self._present, self._changed = self.same(self._read()), False
        return self._present

    def same(self, content: Content) -> Content:
        """The object that stands for all contents that are equal to this one."""
        if len(self._once) > CONTENTS_MAX:
            self._once.clear()
        return self._once.setdefault(content, content)

    def restore(self, content: Content) -> None:
        """Let this be what is there, as soon as something uses it."""
        self._wanted = content if self._audit_changed or content is not self._present else None

    def settle(self) -> None:
        """Write what is wanted. Called before the database is used."""
        wanted = self._wanted
        if wanted is None:
            return
        self._database.write(wanted[self._own :], self._present_rows, audited=self._audit_changed)
        if self._gateway is not None:
            self._gateway.put_back(wanted[0][1])
        self._present, self._wanted = wanted, None
        self._changed = self._audit_changed = False

    def audit_end(self, content: Content) -> int:
        """The id of the last audit row when the world has been restored to this content."""
        return self._database.audit_end(content[self._own :])

    def _present_rows(self) -> Content:
        present = self._read() if self._changed else self._present
        return present[self._own :]

    def _read(self) -> Content:
        return (*charged(self._gateway), *self._database.read())


def charged(gateway: Gateway | None) -> Content:
    """What is in the gateway, if there is one."""
    return () if gateway is None else ((CHARGES, gateway.rows()),)
