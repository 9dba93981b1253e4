"""Our own queue, on both stores, as a user runs it."""

from abc import abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from system.clock import SystemClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Job
from system.worker import Context, Worker
from tests.bench.contender import Begin, Promises, postgresql_durability, sqlite_durability

RECONCILE_SECONDS = 60.0
"""The default of the command `work`."""

PROMISES = Promises(
    commits="3 (enqueue; commit; finish, with the next lease and start)",
    acknowledged="after",
    redelivered="yes, by itself, when the lease runs out",
    effect="in the database, in the transaction that commits the job",
    once="the late worker is refused: one effect a job",
    history="an audit row for each step",
)


def handler(_job: Job, context: Context) -> None:
    """Do nothing, and say so."""
    context.write(1)


def _produce(queue: Queue, jobs: int, begin: Begin) -> None:
    begin()
    for number in range(jobs):
        queue.enqueue(number)


def _work(queue: Queue, name: str, begin: Begin, *, drain: bool) -> None:
    worker = Worker(
        queue,
        handler,
        name=name,
        clock=SystemClock(),
        watch=True,
        wakeups=queue.store.wakeups(),
        reconcile_seconds=RECONCILE_SECONDS,
    )
    begin()
    if drain:
        worker.drain()
    else:
        worker.run()


class _Ours:
    """What is the same on both stores."""

    needs: ClassVar[tuple[str, ...]] = ()
    promises: ClassVar[Promises] = PROMISES
    done_sql: ClassVar[str] = "SELECT count(*) FROM executions WHERE status = 'DONE'"

    @abstractmethod
    def _opened(self, target: str, *, create: bool = False) -> closing[Any]:
        """The store, closed at the end of the block."""

    def create(self, target: str) -> None:
        """Make an empty queue."""
        with self._opened(target, create=True):
            pass

    def produce(self, target: str, jobs: int, begin: Begin) -> None:
        """Enqueue so many jobs."""
        with self._opened(target) as store:
            _produce(Queue(store=store), jobs, begin)

    def work(self, target: str, name: str, begin: Begin, *, drain: bool) -> None:
        """Work as one worker."""
        with self._opened(target) as store:
            _work(Queue(store=store), name, begin, drain=drain)


class OnSQLite(_Ours):
    """Our queue on SQLite."""

    name: ClassVar[str] = "this queue (SQLite)"
    database: ClassVar[str] = "SQLite"

    def _opened(self, target: str, *, create: bool = False) -> closing[SQLiteStore]:
        return closing(SQLiteStore(Path(target), clock=SystemClock(), create=create))

    def durability(self, target: str) -> str:
        """The settings of the store's connection."""
        with self._opened(target) as store, store._connections.one() as connection:  # noqa: SLF001
            return sqlite_durability(connection)


class OnPostgreSQL(_Ours):
    """Our queue on PostgreSQL."""

    name: ClassVar[str] = "this queue (PostgreSQL)"
    database: ClassVar[str] = "PostgreSQL"
    needs: ClassVar[tuple[str, ...]] = ("psycopg",)

    def _opened(self, target: str, *, create: bool = False) -> closing[PostgreSQLStore]:
        return closing(PostgreSQLStore(target, create=create))

    def durability(self, target: str) -> str:
        """The settings of the store's connection."""
        with self._opened(target) as store, store._connections.one() as connection:  # noqa: SLF001
            return postgresql_durability(connection)
