"""Several statements wait at the server: they go on one at a time, in the order in which they came."""

from collections.abc import Iterator
from contextlib import closing
from threading import Timer
from typing import Any

import psycopg
import pytest
from attrs import define

from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind, guarded
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.simulation.postgresql.backends import Backends
from failure_modes.checker.simulation.postgresql.pausing_connection import PausingConnection
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.support.patience import Patience
from failure_modes.checker.support.postgresql.server import fresh_database, server
from model.actions import PRODUCER, RECONCILER, Action, Crash, Enqueue, Reconcile, Step, Tick
from model.state import Settings
from system.postgresql import PostgreSQLTransaction
from tests.checker.oracle.test_breakages import transactions

SCOPE = Scope(
    granularity=Granularity.STATEMENT,
    store=StoreKind.POSTGRESQL,
    settings=Settings(lease_ms=1_000, attempts_max=2),
    tick_seconds=(1,),
)
PATIENCE_SECONDS = 5.0
INSERT = b"BEGIN; INSERT INTO rows VALUES (1)"


@define
class Waiter:
    """A session that inserts the row that another transaction has inserted: it waits at the unique index."""

    connection: PausingConnection

    @property
    def pid(self) -> int:
        """The process id of the session at the server."""
        return self.connection.info.backend_pid

    def has_answer(self) -> bool:
        """True if the answer to the statement has arrived."""
        return self.connection.has_answer()

    def stop_waiting(self) -> None:
        """Nothing is recorded."""


@pytest.fixture
def dsn() -> str:
    """A database with one empty table."""
    made = fresh_database(server())
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE TABLE rows (id integer PRIMARY KEY)")
    return made


@pytest.fixture
def waiters(dsn: str) -> Iterator[tuple[Backends, Waiter, Waiter, Any]]:
    """Two sessions that wait, one after the other, for the transaction of a third one."""
    sessions = [PausingConnection.connect(dsn, autocommit=True) for _ in range(3)]
    with psycopg.connect(dsn, autocommit=True) as control, closing(sessions[2]) as holder:
        backends = Backends(control, None)
        holder.execute(INSERT)
        first, second = [Waiter(session) for session in sessions[:2]]
        for waiter in (first, second):
            waiter.connection.pgconn.send_query(INSERT)
            while not backends.is_blocked(waiter):
                pass
        backends.stop_waiting_sessions()
        yield backends, first, second, holder
        backends.forget()
        first.connection.close()
        second.connection.close()


def _slow(monkeypatch: pytest.MonkeyPatch, slow: int) -> None:
    """Let this process at the server be slow: it goes on some time after its signal."""
    send = Backends.signal

    def signal(backends: Backends, name: str, pids: list[int]) -> None:
        if name == "CONT" and slow in pids:
            Timer(0.2, send, (backends, name, [slow])).start()
            pids = [pid for pid in pids if pid != slow]
        send(backends, name, pids)

    monkeypatch.setattr(Backends, "signal", signal)


def test_the_first_that_came_goes_on_first(
    waiters: tuple[Backends, Waiter, Waiter, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback wakes both; the first inserts the row, however slow it is, and the second waits for it."""
    backends, first, second, holder = waiters
    _slow(monkeypatch, first.pid)
    holder.execute("ROLLBACK")
    backends.wait_until_settled()
    assert (first.has_answer(), second.has_answer()) == (True, False)
    assert (backends.waits(first), backends.waits(second)) == (False, True)


def test_a_ghost_goes_on_after_the_living(
    waiters: tuple[Backends, Waiter, Waiter, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies; the second inserts the row, however slow it is, and the ghost waits for it."""
    backends, first, second, holder = waiters
    pid = first.pid
    backends.abandon(first)
    first.connection.close()
    _slow(monkeypatch, second.pid)
    holder.execute("ROLLBACK")
    backends.wait_until_settled()
    assert (second.has_answer(), backends.is_ghost(pid)) == (True, True)


def _enqueued(lockstep: Lockstep) -> None:
    lockstep.apply(Enqueue(key="k1"))
    while not lockstep.rests(PRODUCER):
        lockstep.apply(Step(worker=PRODUCER))


def _two_wait(lockstep: Lockstep) -> None:
    """A and B have had one job, one after the other. Both commits wait for a recovery that buries it."""
    _enqueued(lockstep)
    for name in ("A", "B"):
        while lockstep.world.processes[name].at is not PausePoint.HANDLER:
            lockstep.apply(Step(worker=name))
        lockstep.apply(Tick(seconds=1))
    looked = lockstep.apply(Reconcile())
    while looked.moved.skip_locked is None:
        looked = lockstep.apply(Step(worker=RECONCILER))
    for name in ("A", "B"):
        while not lockstep.apply(Step(worker=name)).blocked:
            pass


@pytest.mark.parametrize(
    "action", [Step(worker=RECONCILER), Crash(worker=RECONCILER)], ids=["commits", "dies"]
)
def test_a_process_that_releases_a_lock_stops_those_that_wait(
    action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are stopped before the commit or death of the process that they wait for; A goes on first."""
    sent: list[tuple[str, list[int]]] = []
    send = Backends.signal

    def signal(backends: Backends, name: str, pids: list[int]) -> None:
        sent.extend([(name, pids)] if pids else [])
        send(backends, name, pids)

    with Lockstep(SCOPE) as lockstep:
        _two_wait(lockstep)
        processes: Any = lockstep.world.processes
        both = [processes[name].connection.pid for name in ("A", "B")]
        monkeypatch.setattr(Backends, "signal", signal)
        while processes["A"].waits:
            sent.clear()
            lockstep.apply(action)
        assert sent[:2] == [("STOP", both), ("CONT", both[:1])]
        assert processes["B"].waits
        for name in ("A", "B"):
            while not lockstep.apply(Step(worker=name)).committed:
                pass


def test_no_process_stays_stopped_after_its_run(waiters: tuple[Backends, Waiter, Waiter, Any]) -> None:
    """The next run uses the same sessions, so they go on when a run ends while they are stopped."""
    backends, first, second, holder = waiters
    backends.forget()
    holder.execute("ROLLBACK")
    patience = Patience(PATIENCE_SECONDS)
    while not (answered := first.has_answer() or second.has_answer()) and not patience.is_over:
        pass
    assert answered


class LocksForUpdate(PostgreSQLTransaction):
    """Looks for the next job with the stronger lock, which passes over the job of an open duplicate."""

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return super()._rows(sql.replace("FOR NO KEY UPDATE SKIP", "FOR UPDATE SKIP"), *values)


@pytest.mark.parametrize(("fault", "leased"), [(guarded, 1), (transactions(LocksForUpdate), 0)])
def test_a_look_gets_the_rows_that_its_own_lock_can_have(fault: Fault, leased: int) -> None:
    """While a duplicate is written, the model and the system agree, with either lock."""
    with Lockstep(SCOPE, fault) as lockstep:
        _enqueued(lockstep)
        lockstep.apply(Enqueue(key="k1"))
        while (lockstep.apply(Step(worker=PRODUCER)).moved.ran or "").split()[0] != "INSERT":
            pass
        while not lockstep.apply(Step(worker="A")).committed:
            pass
        assert len(lockstep.durable.executions) == leased
