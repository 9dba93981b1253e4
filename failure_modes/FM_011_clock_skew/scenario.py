"""FM_011 clock skew: the fault, and the strategy that finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from attrs import evolve

from failure_modes.checker import Bounds, Expected, FailureMode, Queue, Strategy
from system.policies import Lease, LeasePolicies, Leasing, Store, Transaction

AHEAD_MS = {"B": 30_000}
"""How far each worker's clock runs ahead of the store's."""


class ClockAhead:
    """A clock that runs ahead of the time that a transaction reads."""

    def __init__(self, transaction: Any, ahead_ms: int) -> None:
        self._transaction = transaction
        self._ahead_ms = ahead_ms

    def now(self) -> int:
        """The time of this clock, in milliseconds."""
        fresh = evolve(self._transaction, now=None)
        return int(fresh.now) + self._ahead_ms


class AtOwnTime:
    """A store whose transactions read the clock of their worker, not the clock of the store."""

    def __init__(self, store: Store, ahead_ms: int) -> None:
        self._store = store
        self._ahead_ms = ahead_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a transaction at the worker's time."""
        with self._store.transaction() as tx:
            transaction: Any = tx
            if hasattr(transaction, "_clock"):  # it reads the time when it needs it
                yield evolve(transaction, clock=ClockAhead(transaction, self._ahead_ms))
            else:
                yield evolve(transaction, now=tx.now + self._ahead_ms)


class OwnClock(Leasing):
    """Judges a lease by the clock of the worker that asks for a job."""

    def lease(self, store: Store, policies: LeasePolicies, worker: str, lease_ms: int) -> Lease | None:
        """Lease as usual, at the worker's own time."""
        own = cast(Store, AtOwnTime(store, AHEAD_MS.get(worker, 0)))
        return super().lease(own, policies, worker, lease_ms)


def own_clocks(queue: Queue) -> Queue:
    """The queue whose workers look for jobs by their own clocks. Nothing else changes."""
    return evolve(queue, policies=evolve(queue.policies, lease=OwnClock()))


FAILURE_MODE = FailureMode(
    title="clock skew",
    breaks="INV_003",
    trigger="the clock of one worker runs ahead by as much as a lease is long",
    policy="lease",
    fault=own_clocks,
    strategy=Strategy(weights=(("Step", 4), ("Enqueue", 1), ("Tick", 1)), steps=15),
    bounds=Bounds(jobs=1, ticks=2, crashes=1),
    expected=Expected(shortest=3, states=389, must_reach=("a lease expired",)),
    symmetric=False,
)
