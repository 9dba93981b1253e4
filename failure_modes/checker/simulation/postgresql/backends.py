"""The statements that are at the server: which of them wait for a lock, and which transaction holds the lock.

A waiting statement stays at the server, and goes on by itself when it gets its lock. After each release of a
lock the world waits until each such statement is done or waits again.

The server may let several statements go on at once, and its speed would decide which of them gets the next
lock: so it is with two that wait for one row, when the row was updated. So, if several wait, the world stops
their processes at the server before a release. After it they go on one at a time, in the order in which they
came. So the result of a step does not depend on the speed of the server.

A process that dies during a statement leaves a *ghost*: the server notices the death only after the
statement, and until then the transaction keeps its locks.
"""

from typing import Any, Protocol

import psycopg

from failure_modes.checker.simulation.sql_text import lock_of
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
        self._ghosts: dict[int, None] = {}
        """The processes of the ghosts, in the order of their deaths."""
        self._blockers: dict[int, tuple[int, ...]] = {}
        self._stopped: set[int] = set()
        """The processes at the server that are stopped."""

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
        self._ghosts[session.pid] = None

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

    def stop_waiting_sessions(self) -> None:
        """Stop the processes of the sessions that wait, if several do: a lock may be released next.

        They wait until `wait_until_settled` is called.
        """
        pids = self._pids()
        if len(pids) > 1:
            self._stop(pids)

    def wait_until_settled(self) -> None:
        """Wait until every statement at the server is done, or waits for a lock.

        A stopped process goes on when it has its lock, and when those before it have settled.
        """
        patience = Patience(PATIENCE_SECONDS)
        while self._waiting or self._ghosts:
            if patience.is_over:
                raise Unsettled(f"a statement neither ended nor waited for a lock in {PATIENCE_SECONDS:g} s")
            found = self._at_work()
            self._ghosts = {pid: None for pid in self._ghosts if pid in found}
            free = [pid for pid in self._pids() if found.get(pid) == ()]
            if not self._stopped.issuperset(free):
                continue
            if free:
                self._stop([pid for pid, blockers in found.items() if blockers])
                self._go_on(free[:1])
                continue
            self._blockers = found
            for session in self._waiting:
                if session.pid not in self._blockers:
                    session.stop_waiting()
            self._waiting = [session for session in self._waiting if session.pid in self._blockers]
            break
        self._go_on(sorted(self._stopped))

    def forget(self) -> None:
        """End all ghosts, and forget all sessions: the run is over."""
        self._go_on(sorted(self._stopped))
        for pid in self._ghosts:
            self._control.execute("SELECT pg_terminate_backend(%s)", (pid,))
        self._waiting.clear()
        self._at_server.clear()
        patience = Patience(PATIENCE_SECONDS)
        while self._ghosts and not patience.is_over:
            self._ghosts = dict.fromkeys(self._blockers_of(list(self._ghosts)))
        self._blockers.clear()

    def unlocked(self, statement: str) -> tuple[int, ...]:
        """The ids of the rows that this statement with SKIP LOCKED can get: no transaction locks them."""
        if self._skips_locked is None:
            return ()
        looks = f"SELECT id FROM {self._skips_locked} FOR {lock_of(statement)} SKIP LOCKED"
        rows = self._control.execute(looks.encode()).fetchall()
        return tuple(sorted([row_id for (row_id,) in rows]))

    def _blockers_of(self, pids: list[int]) -> dict[int, tuple[int, ...]]:
        """The blockers of each of these sessions that is still at the server."""
        rows = self._control.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,)
        ).fetchall()
        return {pid: tuple(blockers) for pid, blockers in rows}

    def _pids(self) -> list[int]:
        """The processes of the sessions that wait, then of the ghosts."""
        return [*[session.pid for session in self._waiting], *self._ghosts]

    def _at_work(self) -> dict[int, tuple[int, ...]]:
        """The blockers of each session that is not done yet: none if its statement runs.

        A statement that fails sends its error before it releases its locks, and is done after that. It is
        done, too, if the server waits until its answer is read. A ghost is done when it has left the server.
        """
        rows = self._control.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ANY(%s)"
            " AND (pid = ANY(%s) OR state = 'active' AND wait_event IS DISTINCT FROM 'ClientWrite')",
            (self._pids(), list(self._ghosts)),
        ).fetchall()
        return {pid: tuple(blockers) for pid, blockers in rows}

    def _stop(self, pids: list[int]) -> None:
        new = [pid for pid in pids if pid not in self._stopped]
        self._stopped.update(new)
        self.signal("STOP", new)

    def _go_on(self, pids: list[int]) -> None:
        self.signal("CONT", pids)
        self._stopped.difference_update(pids)

    def signal(self, name: str, pids: list[int]) -> None:
        """Send a signal to processes at the server, which may be on another machine: the server sends it."""
        if pids:
            kill = f"kill -{name} {' '.join(map(str, pids))}"
            self._control.execute(f"COPY (SELECT WHERE false) TO PROGRAM '{kill}'".encode())
