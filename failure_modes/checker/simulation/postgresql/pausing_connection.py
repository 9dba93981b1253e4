"""A connection of psycopg that reports, during a statement, that the statement waits for a lock.

psycopg waits for the server in `Connection.wait` and nowhere else.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from failure_modes.checker.simulation.postgresql.within_statements import role_of

T = TypeVar("T")

ANSWER_WAIT_MS = 2
"""The time to wait for an answer before asking the server if the statement waits for a lock."""


class PausingConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that reports, during a statement, that the statement waits for a lock."""

    _is_blocked: Callable[[], bool] | None = None
    """Returns True if the statement waits for a lock. None if no other transaction can hold one."""
    _pauses: Callable[[], None]
    _pauses_within = False

    def pause_by(self, pauses: Callable[[], None], is_blocked: Callable[[], bool] | None) -> None:
        """Call `pauses` whenever `is_blocked` returns True; never if `is_blocked` is None."""
        self._is_blocked, self._pauses = is_blocked, pauses

    def pause_within_statements(self, pauses: bool) -> None:
        """Let the policy of `within_statements.py` hold for the session, or not."""
        if self._pauses_within is not pauses:
            with self.without_pauses():
                self.execute(role_of(pauses=pauses).encode())
            self._pauses_within = pauses

    @contextmanager
    def without_pauses(self) -> Iterator[None]:
        """Inside, the connection reports no wait."""
        is_blocked, self._is_blocked = self._is_blocked, None
        try:
            yield
        finally:
            self._is_blocked = is_blocked

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run the exchange with the server to its end, and report each wait for a lock."""
        if self._is_blocked is None:
            return super().wait(gen, interval, timeout)
        blocked = self._is_blocked
        return exchange(gen, self.pgconn.socket, lambda: self._pauses() if blocked() else None)

    def has_answer(self) -> bool:
        """True if the server has sent something."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))


def exchange(gen: PQGen[T], socket: int, silent: Callable[[], None]) -> T:
    """Run the exchange with the server to its end. Call `silent` whenever no answer has come for a while."""
    poll = select.poll()
    try:
        wanted = next(gen)
        while True:
            poll.register(socket, wanted_of(wanted))
            ready = poll.poll(ANSWER_WAIT_MS)
            if ready:
                wanted = gen.send(_ready_of(ready[0][1]))
            else:
                silent()
    except StopIteration as end:
        answer: T = end.value
        return answer


def wanted_of(wait: int) -> int:
    """The events of `poll` for a wait of psycopg."""
    return (select.POLLIN if wait & 1 else 0) | (select.POLLOUT if wait & 2 else 0)


def _ready_of(event: int) -> int:
    reads = event & (select.POLLIN | select.POLLHUP | select.POLLERR)
    return (1 if reads else 0) | (2 if event & select.POLLOUT else 0)
