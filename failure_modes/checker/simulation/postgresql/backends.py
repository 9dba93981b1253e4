"""What the server does with the statements that were sent to it: which wait for a lock, and who holds it.

A statement that waits is not taken back: it lies at the server, and goes on by itself when it gets its lock.
After everything that may have let go of a lock the world waits until each such statement is done or waits
again. So what a process finds when it moves does not depend on how fast the server was.

A process that dies with a statement under way leaves a *ghost*: the server notices only after the statement,
and until then its transaction holds what it has locked.
"""

from typing import Any, Protocol

import psycopg

from failure_modes.checker.support.errors import LimitReached
from failure_modes.checker.support.patience import Patience

PATIENCE_SECONDS = 30.0
"""How long a statement may run without an end and without a wait."""


class Unsettled(LimitReached):
    """The server did not come to rest."""


class Session(Protocol):
    """A connection whose statement is at the server."""

    @property
    def pid(self) -> int:
        """The number of the server's process for it."""
        ...

    def has_answer(self) -> bool:
        """Whether the answer has arrived."""
        ...


class Backends:
    """The server's processes for the connections of one world."""

    def __init__(self, control: psycopg.Connection[tuple[Any, ...]], skips_locked: str | None) -> None:
        """`skips_locked` is the table whose rows a statement may pass over: see `Layout`."""
        self._control = control
        self._skips_locked = skips_locked
        self._waiting: list[Session] = []
        self._at_server: list[Session] = []
        """Those whose statement has waited, and whose process has not taken the answer yet."""
        self._ghosts: set[int] = set()
        self._blockers: dict[int, tuple[int, ...]] = {}

    def waits(self, session: Session) -> bool:
        """Whether its statement waits, and others can change that."""
        return session in self._waiting and not self.is_deadlocked(session)

    def place_of(self, session: Session) -> int:
        """Its place among those whose statement lies here, from 1 on; 0 if its does not."""
        return self._at_server.index(session) + 1 if session in self._at_server else 0

    def is_deadlocked(self, session: Session) -> bool:
        """Whether it waits, by way of others, for itself."""
        seen: set[int] = set()
        ahead = list(self._blockers.get(session.pid, ()))
        while ahead:
            pid = ahead.pop()
            if pid == session.pid:
                return True
            if pid not in seen:
                seen.add(pid)
                ahead += self._blockers.get(pid, ())
        return False

    def is_blocked(self, session: Session) -> bool:
        """Ask the server whether its statement waits for a lock; if so, it counts as waiting from now on."""
        blockers = self._ask([session.pid]).get(session.pid, ())
        if not blockers:
            return False
        self._waiting.append(session)
        if session not in self._at_server:
            self._at_server.append(session)
        self._blockers[session.pid] = blockers
        return True

    def goes_on(self, session: Session) -> None:
        """Its process takes the answer, or is about to be told that there is none."""
        if session in self._waiting:
            self._waiting.remove(session)
            self._blockers.pop(session.pid, None)
        if session in self._at_server:
            self._at_server.remove(session)

    def abandon(self, session: Session) -> None:
        """Its process is dead, and the statement is still at the server."""
        self.goes_on(session)
        self._ghosts.add(session.pid)

    def lingers(self, pid: int) -> bool:
        """Whether that ghost is still there."""
        return pid in self._ghosts

    def cancel(self, session: Session) -> None:
        """End its statement: it is the one that the server would choose to break a deadlock."""
        self._control.execute("SELECT pg_cancel_backend(%s)", (session.pid,))

    def settle(self) -> None:
        """Wait until every statement at the server is done, or waits for a lock."""
        if not self._waiting and not self._ghosts:
            return
        patience = Patience(PATIENCE_SECONDS)
        while not patience.is_over:
            under_way = [session for session in self._waiting if not session.has_answer()]
            asked = [*[session.pid for session in under_way], *sorted(self._ghosts)]
            found = self._ask(asked) if asked else {}
            self._ghosts &= found.keys()
            self._blockers = {pid: blockers for pid, blockers in found.items() if blockers}
            if all(found.get(pid) for pid in asked if pid in found) and all(
                session.pid in self._blockers or session.has_answer() for session in under_way
            ):
                self._waiting = [session for session in under_way if session.pid in self._blockers]
                return
        raise Unsettled(f"a statement neither ended nor waited for a lock in {PATIENCE_SECONDS:g} s")

    def forget(self) -> None:
        """End what is left: the run is over."""
        for pid in self._ghosts:
            self._control.execute("SELECT pg_terminate_backend(%s)", (pid,))
        self._waiting.clear()
        self._at_server.clear()
        patience = Patience(PATIENCE_SECONDS)
        while self._ghosts and not patience.is_over:
            self._ghosts &= self._ask(sorted(self._ghosts)).keys()
        self._blockers.clear()

    def unheld(self) -> tuple[int, ...]:
        """The ids of the rows that a statement with SKIP LOCKED could get: no transaction holds them."""
        if self._skips_locked is None:
            return ()
        rows = self._control.execute(f"SELECT id FROM {self._skips_locked} FOR UPDATE SKIP LOCKED").fetchall()
        return tuple(sorted([row_id for (row_id,) in rows]))

    def _ask(self, pids: list[int]) -> dict[int, tuple[int, ...]]:
        """Of those that the server still has: by whom each is blocked."""
        rows = self._control.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,)
        ).fetchall()
        return {pid: tuple(blockers) for pid, blockers in rows}
