"""Our queue, as the first subject of the simulation: see the port in `simulation/subject.py`.

What is said here of the queue's tables must hold for its schema; a test compares the two. The queue that runs
is the one that a user has, with the fault of the scope's swap put in, and nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from failure_modes.checker.experiment.scope import Fault, Scope, StoreKind, build_queue
from failure_modes.checker.simulation.subject import Client, Layout, Program
from failure_modes.checker.subject.programs import produce, reconcile, work
from model.actions import PRODUCER
from system.clock import ManualClock
from system.queue import Queue
from system.schema import UNIQUE
from system.sqlite import SQLiteStore
from system.store import Store

LAYOUT = Layout(
    tables=("jobs", "executions", "effects", "retries", "breaker"),
    numbered=("jobs", "executions", "effects"),
    audit="audit",
    times=frozenset(["enqueued_at", "available_at", "lease_expires_at", "begun_at", "open_until_at"]),
    ids={"job_id": "jobs", "execution_id": "executions"},
    records={"Job": "jobs", "Execution": "executions", "Effect": "effects"},
)
"""On SQLite."""

LAYOUT_AT_SERVER = evolve(LAYOUT, numbered=("jobs", "executions", "effects", "retries"), skips_locked="jobs")
"""On PostgreSQL, which remembers the last id of one more table, and whose transactions may overlap."""

_STORES = ("system.sqlite.store.SQLiteStore", "system.postgresql.store.PostgreSQLStore")
"""By name, since the driver of one need not be installed."""


@frozen
class QueueSubject:
    """Our queue in one scope, on one store, with one fault or none."""

    scope: Scope
    fault: Fault

    @property
    def layout(self) -> Layout:
        """The tables of the queue."""
        return LAYOUT if self._on_sqlite else LAYOUT_AT_SERVER

    @property
    def database(self) -> str:
        """With the unique indexes of the schema, or without."""
        return "queue" if self.scope.constraints else "queue-loose"

    @property
    def calls_gateway(self) -> bool:
        """True if the handlers call it."""
        return self.scope.settings.external

    def programs(self) -> Mapping[str, Program]:
        """The workers, the producer and the reconcilers."""
        workers, reconcilers = self.scope.names, self.scope.reconciler_names
        return dict.fromkeys(workers, work) | {PRODUCER: produce} | dict.fromkeys(reconcilers, reconcile)

    def create(self, location: str) -> None:
        """Make an empty queue there."""
        store: Any
        if self._on_sqlite:
            store = SQLiteStore(location, clock=ManualClock(), create=True)
        else:
            store = _store_at_server()(location, create=True)
        if not self.scope.constraints:
            drop_constraints_of(store)
        store.close()

    def prepare(self, location: str) -> None:
        """Let a fault of the disk's make its settings."""
        store = SQLiteStore(location, clock=ManualClock())
        build_queue(store, self.scope.settings, self.fault)
        store.close()

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Store:
        """A store that reads the rows."""
        if not self._on_sqlite:
            at_server: Store = _store_at_server()(location, connect=connect)
            return at_server
        store = SQLiteStore(location, clock=clock, create=create, connect=connect)
        if create and not self.scope.constraints:
            drop_constraints_of(store)
        return store

    def open(self, process: Client, location: str) -> Queue:
        """The queue as that process has it."""
        options: dict[str, Any] = {"clock": process, "connect": process.connect, "tokens": same_token}
        store: Store = (SQLiteStore if self._on_sqlite else _store_at_server())(location, **options)
        process.is_set_up()
        return build_queue(store, self.scope.settings_of(process.name), self.fault)

    def keeps_nothing(self, part: Any) -> bool:
        """True for the stores, which keep nothing between two transactions."""
        return f"{type(part).__module__}.{type(part).__qualname__}" in _STORES

    def remembers_answers_only(self, observer: Store) -> bool:
        """True if the store is one of ours, so that nothing is held between two operations of a job."""
        return self.keeps_nothing(build_queue(observer, self.scope.settings, self.fault).store)

    @property
    def _on_sqlite(self) -> bool:
        return self.scope.store is StoreKind.SQLITE


def drop_constraints_of(store: Any) -> None:
    """Drop the unique indexes of an open queue: they refuse some faults, which do no harm then."""
    with store._connections.one() as connection:  # noqa: SLF001 (a store runs no statement of others)
        for name in UNIQUE:
            connection.execute(f"DROP INDEX {name}")


def same_token() -> str:
    """The token of each job and execution in a world: there is one timeline, and no restored backup."""
    return "token"


def _store_at_server() -> Any:
    from system.postgresql import PostgreSQLStore

    return PostgreSQLStore
