"""The work of one job on each store: statements, commits, pages or bytes of the log, `stat` calls, CPU time.

A fused worker drains a queue. What is counted does not depend on the machine. The CPU time does; it is taken
in a run of its own, without the counters, with the files on the disk and in memory.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import psycopg

from system.clock import SystemClock
from system.postgresql import Connect, PostgreSQLStore, connecting
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.sqlite.store import Connect as SQLiteConnect
from system.sqlite.store import connecting as sqlite_connecting
from system.store import Store
from system.worker import Worker
from tests.bench.contenders import why_not
from tests.bench.ours import handler
from tests.bench.output import progress
from tests.bench.places import Places
from tests.bench.sqlite_peers import Huey, LiteQueue

JOBS = 300
MEMORY = Path("/dev/shm")
_FRAME = 24 + 4096


def job_costs(places: Places) -> Iterator[dict[str, Any]]:
    """What a job costs on SQLite, and on the server if there is one."""
    progress("job: SQLite")
    with places.database("SQLite") as target:
        counted = _counted_on_sqlite(target)
    with places.database("SQLite") as target:
        counted["cpu_microseconds"] = _cpu_on_sqlite(target)
    if MEMORY.is_dir():
        with TemporaryDirectory(dir=MEMORY) as folder:
            counted["cpu_microseconds_in_memory"] = _cpu_on_sqlite(str(Path(folder, "queue.db")))
    yield {"database": "SQLite", **counted}
    for peer in (Huey(), LiteQueue()):
        if why_not(peer) is None:
            progress(f"job: {peer.name}")
            with places.database("SQLite") as target:
                yield {"database": f"SQLite, {peer.name}", **_counted_of_peer(peer, target)}
    if places.server is None:
        return
    progress("job: PostgreSQL")
    with places.database("PostgreSQL") as target:
        counted = _counted_on_postgresql(target)
    with places.database("PostgreSQL") as target, _filled_on_postgresql(target, connecting) as queue:
        counted["cpu_microseconds"] = _cpu_of_drain(queue)
    yield {"database": "PostgreSQL", **counted}


def _drain(queue: Queue, jobs: int) -> None:
    Worker(queue, handler, name="A", clock=SystemClock()).drain(jobs)


def _filled(store: Store) -> Queue:
    """A queue with jobs to count, and as many before them: the first ones touch other pages."""
    queue = Queue(store=store)
    for number in range(2 * JOBS):
        queue.enqueue(number)
    _drain(queue, JOBS)
    return queue


def _cpu_of_drain(queue: Queue) -> float:
    before = process_time()
    _drain(queue, JOBS)
    return 1e6 * (process_time() - before) / JOBS


def _cpu_on_sqlite(target: str) -> float:
    with closing(SQLiteStore(Path(target), clock=SystemClock(), create=True)) as store:
        return _cpu_of_drain(_filled(store))


def _counted_on_sqlite(target: str) -> dict[str, Any]:
    ran: Counter[str] = Counter()
    connect = _counting(ran)
    with closing(SQLiteStore(Path(target), clock=SystemClock(), create=True, connect=connect)) as store:
        queue = _filled(store)
        return _counted(target, ran, lambda: _drain(queue, JOBS))


def _counted_of_peer(peer: Huey | LiteQueue, target: str) -> dict[str, float]:
    """As for our queue: the jobs were enqueued before, and as many were done before."""
    ran: Counter[str] = Counter()
    connection, enqueue, work = peer.alone(target)
    with closing(connection):
        _count(connection, ran)
        for number in range(2 * JOBS):
            enqueue(number)
        for _ in range(JOBS):
            work()
        return _counted(target, ran, lambda: [work() for _ in range(JOBS)])


def _counted(target: str, ran: Counter[str], drain: Callable[[], object]) -> dict[str, float]:
    """What one of the jobs costs that `drain` works off."""
    log = Path(f"{target}-wal")
    before = log.stat().st_size
    ran.clear()
    with _counting_stats(ran):
        drain()
    written = log.read_bytes()[before:]
    frames = range(0, len(written), _FRAME)
    return {
        "statements": _statements(ran) / JOBS,
        "commits": sum(any(written[at + 4 : at + 8]) for at in frames) / JOBS,  # marked in its last frame
        "pages": len(frames) / JOBS,
        "stat_calls": ran["stat"] / JOBS,
    }


def _statements(ran: Counter[str]) -> int:
    return sum(number for sql, number in ran.items() if sql != "stat")


def _counting(ran: Counter[str]) -> SQLiteConnect:
    """Opens connections that count their statements, and that never copy the log into the file."""

    def connect(target: str) -> sqlite3.Connection:
        connection = sqlite_connecting(5.0)(target)
        connection.execute("PRAGMA journal_mode = WAL")
        _count(connection, ran)
        return connection

    return connect


def _count(connection: sqlite3.Connection, ran: Counter[str]) -> None:
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.set_trace_callback(lambda sql: ran.update([sql.split(None, 1)[0]]))


@contextmanager
def _counting_stats(ran: Counter[str]) -> Iterator[None]:
    stat = os.stat

    def counting(*arguments: Any, **options: Any) -> os.stat_result:
        ran["stat"] += 1
        return stat(*arguments, **options)

    os.stat = counting
    try:
        yield
    finally:
        os.stat = stat


@contextmanager
def _filled_on_postgresql(target: str, connect: Connect) -> Iterator[Queue]:
    with closing(PostgreSQLStore(target, create=True, connect=connect)) as store:
        yield _filled(store)


def _counted_on_postgresql(target: str) -> dict[str, Any]:
    ran: Counter[str] = Counter()

    def connect(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
        connection = connecting(dsn)
        execute = connection.execute

        def counting(query: Any, *arguments: Any, **options: Any) -> Any:
            ran[str(query).split(None, 1)[0]] += 1
            return execute(query, *arguments, **options)

        connection.execute = counting  # type: ignore[method-assign]
        return connection

    with ExitStack() as stack:
        queue = stack.enter_context(_filled_on_postgresql(target, connect))
        looking = stack.enter_context(psycopg.connect(target, autocommit=True))
        place = "SELECT pg_current_wal_insert_lsn() - '0/0'"
        before = looking.execute(place).fetchall()[0][0]
        ran.clear()
        _drain(queue, JOBS)
        after = looking.execute(place).fetchall()[0][0]
    return {
        "statements": _statements(ran) / JOBS,
        "commits": ran["COMMIT"] / JOBS,
        "log_bytes": float(after - before) / JOBS,
    }
