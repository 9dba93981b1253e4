"""The statements that are at the server: which of them wait for a lock, and which transaction holds the lock.

A waiting statement stays at the server, and goes on by itself when it gets its lock. After each release of a
lock the world waits until each such statement is done or waits again. So the result of a step does not depend
on the speed of the server.

A process that dies during a statement leaves a *ghost*: the server notices the death only after the
statement, and until then the transaction keeps its locks.
"""

from typing import Any, Protocol

import psycopg

from failure_modes.checker.support.errors import LimitReached
from failure_modes.checker.support.patience import Patience

PATIENCE_SECONDS = 30.0
"""The longest time that a statement may run without an end and without a wait for a lock."""


class Unsettled(LimitReached):
    """A statement at the server neither ended nor waited for a lock in time."""


class Session(Protocol):
    """A connection whose statement may be at the server."""

    @property
    def pid(self) -> int:
        """The process id of the session at the server."""
        ...

    def has_answer(self) -> bool:
        """True if the answer to the statement has arrived."""
        ...

    def stop_waiting(self) -> None:
        """Called when the statement no longer waits for a lock."""
        ...


class Backends:
    """The sessions of one world at the server."""

    def __init__(self, control: psycopg.Connection[tuple[Any, ...]], skips_locked: str | None) -> None:
        """`skips_locked` is the table that statements with SKIP LOCKED read: see `Layout`."""
        self._control = control
        self._skips_locked = skips_locked
        self._waiting: list[Session] = []
        self._at_server: list[Session] = []
        """The sessions whose statement has waited, and whose process has not taken the answer yet."""
        self._ghosts: set[int] = set()
        self._blockers: dict[int, tuple[int, ...]] = {}

    def waits(self, session: Session) -> bool:
        """True if the statement of the session waits for a lock that another process can release."""
        return session in self._waiting and not self.is_deadlocked(session)

    def place_of(self, session: Session) -> int:
        """The place among the sessions whose statement is at the server, from 1 on; 0 if there is none."""
        return self._at_server.index(session) + 1 if session in self._at_server else 0

    def is_deadlocked(self, session: Session) -> bool:
        """True if the session waits, directly or through others, for itself."""
        seen: set[int] = set()
        to_visit = list(self._blockers.get(session.pid, ()))
        while to_visit:
            pid = to_visit.pop()
            if pid == session.pid:
                return True
            if pid not in seen:
                seen.add(pid)
                to_visit += self._blockers.get(pid, ())
        return False

    def is_blocked(self, session: Session) -> bool:
        """Ask the server if the statement of the session waits for a lock. If so, keep it as waiting.

        A statement that waits for the control connection waits for the schedule, and for no other process.
        """
        blockers = self._blockers_of([session.pid]).get(session.pid, ())
        if not blockers:
            return False
        if self._control.info.backend_pid in blockers:
            return True
        self._waiting.append(session)
        if session not in self._at_server:
            self._at_server.append(session)
        self._blockers[session.pid] = blockers
        return True

    def remove(self, session: Session) -> None:
        """Remove a session whose process takes the answer, or an error, of its statement."""
        if session in self._waiting:
            self._waiting.remove(session)
            self._blockers.pop(session.pid, None)
        if session in self._at_server:
            self._at_server.remove(session)

    def abandon(self, session: Session) -> None:
        """Make a ghost of a session: its process is dead, and its statement is still at the server."""
        self.remove(session)
        self._ghosts.add(session.pid)

    def is_ghost(self, pid: int) -> bool:
        """True if this ghost is still at the server."""
        return pid in self._ghosts

    @property
    def has_ghosts(self) -> bool:
        """True if the statement of a dead process is still at the server."""
        return bool(self._ghosts)

    def cancel(self, session: Session) -> None:
        """Cancel the statement of a deadlock's victim."""
        self._control.execute("SELECT pg_cancel_backend(%s)", (session.pid,))

    def wait_until_settled(self) -> None:
        """Wait until every statement at the server is done, or waits for a lock."""
        if not self._waiting and not self._ghosts:
            return
        patience = Patience(PATIENCE_SECONDS)
        while not patience.is_over:
            waiting = [session for session in self._waiting if not session.has_answer()]
            pids = [*[session.pid for session in waiting], *sorted(self._ghosts)]
            found = self._blockers_of(pids) if pids else {}
            self._ghosts &= found.keys()
            self._blockers = {pid: blockers for pid, blockers in found.items() if blockers}
            if all(found.get(pid) for pid in pids if pid in found) and all(
                session.pid in self._blockers or session.has_answer() for session in waiting
            ):
                for session in self._waiting:
                    if session.pid not in self._blockers:
                        session.stop_waiting()
                self._waiting = [session for session in waiting if session.pid in self._blockers]
                return
        raise Unsettled(f"a statement neither ended nor waited for a lock in {PATIENCE_SECONDS:g} s")

    def forget(self) -> None:
        """End all ghosts, and forget all sessions: the run is over."""
        for pid in self._ghosts:
            self._control.execute("SELECT pg_terminate_backend(%s)", (pid,))
        self._waiting.clear()
        self._at_server.clear()
        patience = Patience(PATIENCE_SECONDS)
        while self._ghosts and not patience.is_over:
            self._ghosts &= self._blockers_of(sorted(self._ghosts)).keys()
        self._blockers.clear()

    def unlocked(self) -> tuple[int, ...]:
        """The ids of the rows that no transaction locks: a statement with SKIP LOCKED can get them."""
        if self._skips_locked is None:
            return ()
        rows = self._control.execute(f"SELECT id FROM {self._skips_locked} FOR UPDATE SKIP LOCKED").fetchall()
        return tuple(sorted([row_id for (row_id,) in rows]))

    def _blockers_of(self, pids: list[int]) -> dict[int, tuple[int, ...]]:
        """The blockers of each of these sessions that is still at the server."""
        rows = self._control.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,)
        ).fetchall()
        return {pid: tuple(blockers) for pid, blockers in rows}
